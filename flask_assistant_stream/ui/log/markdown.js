/**
 * Markdown as models write it, to DOM that is safe to show.
 *
 * Text goes through marked and DOMPurify with a short list of what is allowed. While it streams, only its last block is
 * rendered again; at its end all of it is read once more and what came out differently is replaced.
 */
import { element } from "../elements/element.js";
import DOMPurify from "../vendor/dompurify.js";
import { codeBlock } from "./code_block.js";
import { blocksOf, commonPrefix, maskMarkers, parseBlock, splitAtMarkers, unmask } from "./markdown_blocks.js";

const purifier = DOMPurify(window); // an instance of our own: no hooks of the host's page
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
// Others would tell their server who reads what, and ours would be asked for whatever a model has thought of.
const IMAGE = /^data:image\/(?:png|jpeg|gif|webp|avif)[;,]/i;
const BUSY_SHARE = 4; // rendering takes at most a fourth of the time, however long the last block is

/**
 * @typedef {object} MarkdownOptions
 * @property {() => string[]} [markers] texts that stand for something else, such as 【4:0†food.txt】
 * @property {(marker: string) => (HTMLElement|null)} [annotate] what is shown for one; null leaves the text
 * @property {(address: string) => (string|null)} [link] another address for a link; null leaves it
 */

export class MarkdownView {
  #target;
  #options;
  /** @type {{raw: string, nodes: Node[], code: object|null}[]} */
  #blocks = [];
  #text = "";
  #markers = [];
  #frozen = 0; // blocks that no further text changes, and how far they reach
  #frozenChars = 0;
  #drawn = null; // what is shown: text and done
  #frame = 0;
  #restUntil = 0;

  /**
   * @param {HTMLElement} target is emptied and belongs to the view
   * @param {MarkdownOptions} [options]
   */
  constructor(target, options = {}) {
    this.#target = target;
    this.#options = options;
    target.classList.add("markdown");
    target.replaceChildren();
  }

  /**
   * Shows a text. Text that grows is drawn with the browser's frames; a text that is done, at once.
   *
   * @param {string} text all of it
   * @param {{done?: boolean}} [state] done where nothing will follow
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
    const goesOn = !done && markers.join() === this.#markers.join() && this.#drawn !== null;
    this.#drawn = key;
    this.#markers = markers;
    this.#show(maskMarkers(this.#text, markers), done, goesOn);
    this.#restUntil = performance.now() + BUSY_SHARE * (performance.now() - begun);
  }

  /** Replaces the blocks that are not as they were: of a text that goes on, those behind the frozen ones. */
  #show(masked, done, goesOn) {
    const kept = goesOn ? this.#frozen : 0;
    const blocks = blocksOf(goesOn ? masked.slice(this.#frozenChars) : masked, done);
    const old = this.#blocks.slice(kept);
    const same = commonPrefix(old, blocks);
    if (!this.#extend(old, blocks, same)) this.#replace(kept + same, blocks.slice(same));
    const frozen = blocks.slice(0, -1);
    this.#frozen = kept + frozen.length;
    this.#frozenChars = (goesOn ? this.#frozenChars : 0) + frozen.reduce((sum, block) => sum + block.length, 0);
  }

  /** Lets a code block that is still open grow in place; says whether that was all there was to do. */
  #extend(old, blocks, same) {
    if (same !== old.length - 1 || same !== blocks.length - 1) return false;
    const [before, after] = [old[same], blocks[same]];
    const grows = before.code && after.token.type === "code" && !after.closed && before.language === after.token.lang;
    if (!grows) return false;
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
    for (const link of fragment.querySelectorAll("a[href]")) openElsewhere(link);
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

function openElsewhere(link) {
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
}

function linkTo(image) {
  const link = element("a", { text: image.alt || image.src });
  if (/^https?:/.test(image.src)) link.href = image.src;
  openElsewhere(link);
  return link;
}

function scrollable(table) {
  const frame = element("div.table", { tabIndex: 0 });
  table.replaceWith(frame);
  frame.append(table);
}
