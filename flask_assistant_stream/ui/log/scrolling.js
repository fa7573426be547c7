/** Where the reader is: the log follows its end only while the reader is there, and what is read stays where it is. */

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
   * @param {HTMLElement} root scrolls.
   * @param {HTMLElement} latest the button that leads to the end.
   * @param {() => void} onTop called when what `watchTop` has been given comes near.
   */
  constructor(root, latest, onTop) {
    this.#root = root;
    this.#latest = latest;
    latest.onclick = () => this.toEnd();
    this.onscroll = () => this.#scrolled();
    root.addEventListener("scroll", this.onscroll, { passive: true });
    this.#sizes = new ResizeObserver(() => this.#follow());
    for (const one of [root, ...root.children]) this.#sizes.observe(one);
    this.#nearTop = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && onTop(), {
      root,
      rootMargin: "300px",
    });
  }

  get #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.#root;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Whoever scrolls up leaves the end; what grows below does not make them. */
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

  /** Change the log; whoever is not at its end goes on seeing what they saw. */
  keep(change) {
    const seen = this.#stuck ? null : this.#firstSeen();
    const before = seen?.getBoundingClientRect().top;
    this.#root.style.overflowAnchor = "none"; // not twice
    change();
    if (seen?.isConnected) this.#root.scrollTop += seen.getBoundingClientRect().top - before;
    this.#root.style.overflowAnchor = "";
    this.#follow();
  }

  #firstSeen() {
    const { top } = this.#root.getBoundingClientRect();
    const entries = this.#root.querySelector(".entries").children;
    let [low, high] = [0, entries.length]; // they stand one below the other
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

  /** Call back when an element comes near, now and whenever it does again; null ends it. */
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
