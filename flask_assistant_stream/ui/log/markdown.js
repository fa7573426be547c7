/**
 * Renders the Markdown of models as safe DOM.
 *
 * Text goes through marked and DOMPurify with a short allow list. While text streams, only its last block is rendered
 * again. At the end the whole text is parsed once more, and the blocks that differ are replaced.
 */
import { element } from "../elements/element.js";
import DOMPurify from "../vendor/dompurify.js";
import { codeBlock } from "./code_block.js";
import { blocksOf, commonPrefix, maskMarkers, parseBlock, splitAtMarkers, unmask } from "./markdown_blocks.js";

const purifier = DOMPurify(window); // our own instance, without the hooks of the host's page
const ALLOWED = {
  ALLOWED_TAGS: (
    "a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre s small strong sub sup table tbody " +
    "td th thead tr u ul"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "src", "alt", "class", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto|tel):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
// A remote image would reveal the reader to its server. A relative one would send invented requests to ours.
const IMAGE = /^data:image\/(?:png|jpeg|gif|webp|avif)[;,]/i;
const BUSY_SHARE = 4; // rendering takes at most a fifth of the time, however long the last block is

/**
 * @typedef {object} MarkdownOptions
 * @property {() => string[]} [markers] texts to replace, such as 【4:0†food.txt】
 * @property {(marker: string) => (HTMLElement|null)} [annotate] the element for a marker; null keeps the text
 * @property {(address: string) => (string|null)} [link] another address for a link; null keeps it
 */

export class MarkdownView {
  #target;
  #options;
  /** @type {{raw: string, nodes: Node[], code: object|null}[]} */
  #blocks = [];
  #text = "";
  #markers = [];
  #frozen = 0; // number of blocks that more text cannot change, and their length
  #frozenChars = 0;
  #drawn = null; // key of the rendered state
  #frame = 0;
  #restUntil = 0;

  /**
   * @param {HTMLElement} target is emptied and owned by the view
   * @param {MarkdownOptions} [options]
   */
  constructor(target, options = {}) {
    this.#target = target;
    this.#options = options;
    target.classList.add("markdown");
    target.replaceChildren();
  }

  /**
   * Show a text: a growing one with the next frame, a complete one at once.
   *
   * @param {string} text all of it
   * @param {{done?: boolean}} [state] `done`: the text is complete
   */
  update(text, { done = false } = {}) {
    this.#text = text;
    if (done) return this.#draw(true);
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#onFrame());
  }

  #onFrame() {
    if (performance.now() < this.#restUntil) {
      this.#frame = requestAnimationFrame(() => this.#onFrame());
      return;
    }
    this.#draw(false);
  }

  #draw(done) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const begun = performance.now();
    const markers = this.#options.markers?.() ?? [];
    const key = `${done}\n${markers.join("\n")}\n${this.#text}`;
    if (key === this.#drawn) return;
    const continues = !done && markers.join() === this.#markers.join() && this.#drawn !== null;
    this.#drawn = key;
    this.#markers = markers;
    this.#show(maskMarkers(this.#text, markers), done, continues);
    this.#restUntil = performance.now() + BUSY_SHARE * (performance.now() - begun);
  }

  /** Replace the blocks that changed; in a growing text, only blocks after the frozen ones. */
  #show(masked, done, continues) {
    const kept = continues ? this.#frozen : 0;
    const blocks = blocksOf(continues ? masked.slice(this.#frozenChars) : masked, done);
    const old = this.#blocks.slice(kept);
    const same = commonPrefix(old, blocks);
    if (!this.#extend(old, blocks, same)) this.#replace(kept + same, blocks.slice(same));
    const frozen = blocks.slice(0, -1);
    this.#frozen = kept + frozen.length;
    this.#frozenChars = (continues ? this.#frozenChars : 0) + frozen.reduce((sum, block) => sum + block.length, 0);
  }

  /** Extend an open code block in place. Return true if nothing else changed. */
  #extend(old, blocks, same) {
    if (same !== old.length - 1 || same !== blocks.length - 1) return false;
    const [before, after] = [old[same], blocks[same]];
    const canGrow = before.code && after.token.type === "code" && !after.closed && before.language === after.token.lang;
    if (!canGrow) return false;
    before.code.append(unmask(after.token.text, this.#markers));
    before.raw = after.raw;
    return true;
  }

  #replace(from, blocks) {
    for (const block of this.#blocks.splice(from)) for (const node of block.nodes) node.remove();
    for (const block of blocks) {
      const drawn = this.#drawBlock(block);
      this.#blocks.push({ raw: block.raw, ...drawn });
      this.#target.append(...drawn.nodes);
    }
  }

  #drawBlock({ token, closed, links }) {
    if (token.type === "code") {
      const code = codeBlock(unmask(token.text, this.#markers), token.lang, closed);
      return { nodes: [code.node], code: closed ? null : code, language: token.lang };
    }
    const html = parseBlock(token, links, (address) => this.#address(address));
    const fragment = purifier.sanitize(html, ALLOWED);
    this.#finish(fragment);
    return { nodes: [...fragment.childNodes], code: null };
  }

  #address(address) {
    const plain = unmask(address, this.#markers);
    return this.#options.link?.(plain) ?? plain;
  }

  #finish(fragment) {
    for (const link of fragment.querySelectorAll("a[href]")) openInNewTab(link);
    for (const image of fragment.querySelectorAll("img")) if (!IMAGE.test(image.src)) image.replaceWith(linkTo(image));
    for (const code of fragment.querySelectorAll("pre > code")) {
      const language = code.className.replace("language-", "");
      code.parentElement.replaceWith(codeBlock(unmask(code.textContent, this.#markers), language, true).node);
    }
    for (const table of fragment.querySelectorAll("table")) scrollable(table);
    this.#placeAnnotations(fragment);
  }

  #placeAnnotations(fragment) {
    if (!this.#markers.length) return;
    const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walker.nextNode()) texts.push(walker.currentNode);
    for (const node of texts) {
      const plain = node.parentElement?.closest("code");
      const shown = (marker) => (plain ? null : this.#options.annotate?.(marker));
      node.replaceWith(...splitAtMarkers(node.data, this.#markers, shown));
    }
  }
}

function openInNewTab(link) {
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
}

function linkTo(image) {
  const link = element("a", { text: image.alt || image.src });
  if (/^https?:/.test(image.src)) link.href = image.src;
  openInNewTab(link);
  return link;
}

function scrollable(table) {
  const frame = element("div.table", { tabIndex: 0 });
  table.replaceWith(frame);
  frame.append(table);
}
