/** Scroll position: the log follows its end while the reader is there; elsewhere the visible text does not move. */

const AT_END = 2; // pixels: browsers round
const SHOWS_JUMP = 80;

export class Scrolling {
  #root;
  #latest;
  #top;
  #stuck = true;
  #last = 0;
  #sizes;
  #nearTop;

  /**
   * @param {HTMLElement} root the element that scrolls.
   * @param {HTMLElement} latest the button that scrolls to the end.
   * @param {() => void} onTop called when the element of `watchTop` comes near.
   */
  constructor(root, latest, onTop) {
    this.#root = root;
    this.#latest = latest;
    latest.onclick = () => this.toEnd();
    this.onscroll = () => this.#scrolled();
    root.addEventListener("scroll", this.onscroll, { passive: true });
    this.#sizes = new ResizeObserver(() => this.#follow());
    for (const target of [root, ...root.children]) this.#sizes.observe(target);
    const near = (records) => records.some(({ isIntersecting }) => isIntersecting) && onTop();
    this.#nearTop = new IntersectionObserver(near, { root, rootMargin: "300px" });
  }

  get #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#root;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Only scrolling up leaves the end; growth below does not. */
  #scrolled() {
    const { scrollTop } = this.#root;
    if (this.#distance <= AT_END) this.#stuck = true;
    else if (scrollTop < this.#last) this.#stuck = false;
    this.#last = scrollTop;
    this.#showJump();
  }

  #showJump() {
    this.#latest.hidden = this.#stuck || this.#distance < SHOWS_JUMP;
  }

  #follow() {
    if (this.#stuck) this.#root.scrollTop = this.#root.scrollHeight;
    this.#last = this.#root.scrollTop;
    this.#showJump();
  }

  /** Apply a change to the log without moving the text that the reader sees. */
  keep(change) {
    const anchor = this.#stuck ? null : this.#firstVisible();
    const before = anchor?.getBoundingClientRect().top;
    this.#root.style.overflowAnchor = "none"; // the browser must not correct the position too
    change();
    if (anchor?.isConnected) this.#root.scrollTop += anchor.getBoundingClientRect().top - before;
    this.#root.style.overflowAnchor = "";
    this.#follow();
  }

  #firstVisible() {
    const { top } = this.#root.getBoundingClientRect();
    const entries = this.#root.querySelector(".entries").children;
    let [low, high] = [0, entries.length]; // entries are in vertical order
    while (low < high) {
      const middle = (low + high) >> 1;
      if (entries[middle].getBoundingClientRect().bottom > top) high = middle;
      else low = middle + 1;
    }
    return entries[low] ?? null;
  }

  toEnd() {
    this.#stuck = true;
    this.#follow();
  }

  /** Call `onTop` each time the element comes near; null stops watching. */
  watchTop(target) {
    if (this.#top) this.#nearTop.unobserve(this.#top);
    this.#top = target;
    if (target) requestAnimationFrame(() => this.#top === target && this.#nearTop.observe(target));
  }

  close() {
    this.#root.removeEventListener("scroll", this.onscroll);
    this.#sizes.disconnect();
    this.#nearTop.disconnect();
  }
}
