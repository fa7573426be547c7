/**
 * Renders the Markdown of models as safe DOM.
 *
 * Text goes through marked and DOMPurify with a short allow list. While text streams, only its last block is rendered
 * again. At the end the whole text is parsed once more, and the blocks that differ are replaced.
 */
import { element } from "../elements/element.js";
import DOMPurify from "../vendor/dompurify.js";
import { codeBlock } from "./code_block.js";
import { mayDraw, spend } from "./draw_budget.js";
import { blocksOf, commonPrefix, maskMarkers, parseBlock, splitAtMarkers, unmask, withoutMarkers } from "./markdown_blocks.js";
import { PlainText, shownLength } from "./plain_text.js";

const purifier = DOMPurify(window); // our own instance, without the hooks of the host's page
const ALLOWED = {
  ALLOWED_TAGS:
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr img li ol p pre strong table tbody td th thead tr ul".split(" "),
  ALLOWED_ATTR: ["href", "title", "src", "alt", "class", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:(?:https?|mailto|tel):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
// A remote image would reveal the reader to its server. A relative one would send invented requests to ours.
const IMAGE = /^data:image\/(?:png|jpeg|gif|webp|avif)[;,]/i;
const LONG_CELL = 30; // characters: a longer one may wrap
const MAX_TAGS = 20_000; // of a block: a table with more cells takes seconds to lay out
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
  /** @type {{raw: string, references: string, nodes: Node[], code: object|null}[]} */
  #blocks = [];
  #text = "";
  #done = false;
  #markers = [];
  #frozen = 0; // number of blocks that more text cannot change, and their length
  #frozenChars = 0;
  #drawn = null; // key of the rendered state
  /** @type {?PlainText} in place of the blocks */
  #plain = null;
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
   * Show a text: a growing one with the next frame, a complete one at once if the views have time left in this frame.
   *
   * @param {string} text all of it
   * @param {{done?: boolean}} [state] `done`: the text is complete
   */
  update(text, { done = false } = {}) {
    this.#text = text;
    this.#done = done;
    if (done && mayDraw()) return this.#draw();
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#onFrame());
  }

  #onFrame() {
    if (!mayDraw() || (!this.#done && performance.now() < this.#restUntil)) {
      this.#frame = requestAnimationFrame(() => this.#onFrame());
      return;
    }
    this.#draw();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const begun = performance.now();
    this.#drawText(this.#done);
    const lasted = performance.now() - begun;
    spend(lasted);
    this.#restUntil = performance.now() + BUSY_SHARE * lasted;
  }

  #drawText(done) {
    if (this.#plain || shownLength(this.#text) < this.#text.length) return this.#drawPlain();
    try {
      this.#drawMarkdown(done);
    } catch (error) {
      console.error(error); // for the developer: the text is shown without its format
      this.#drawPlain();
    }
  }

  /** Show the text as it is, from now on. */
  #drawPlain() {
    if (!this.#plain) this.#target.replaceChildren((this.#plain = new PlainText()).element);
    this.#plain.update(withoutMarkers(this.#text));
  }

  #drawMarkdown(done) {
    const markers = this.#options.markers?.() ?? [];
    const key = `${done}\n${markers.join("\n")}\n${this.#text}`;
    if (key === this.#drawn) return;
    const continues = !done && markers.join() === this.#markers.join() && this.#drawn !== null;
    this.#drawn = key;
    this.#markers = markers;
    this.#show(maskMarkers(this.#text, markers), done, continues);
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
    Object.assign(before, { raw: after.raw, references: after.references });
    return true;
  }

  #replace(from, blocks) {
    for (const block of this.#blocks.splice(from)) for (const node of block.nodes) node.remove();
    for (const block of blocks) {
      const drawn = this.#drawBlock(block);
      this.#blocks.push({ raw: block.raw, references: block.references, ...drawn });
      this.#target.append(...drawn.nodes);
    }
  }

  #drawBlock({ token, closed, links }) {
    if (token.type === "code") {
      const code = codeBlock(unmask(token.text, this.#markers), token.lang, closed);
      return { nodes: [code.node], code: closed ? null : code, language: token.lang };
    }
    const html = parseBlock(token, links, (address) => this.#address(address));
    if (html.split("<").length > MAX_TAGS) return plainBlock(token, this.#markers);
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

function plainBlock(token, markers) {
  return { nodes: [new PlainText(unmask(token.raw, markers)).element], code: null };
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
  for (const cell of table.querySelectorAll("th, td")) cell.classList.toggle("long", cell.textContent.length > LONG_CELL);
  const frame = element("div.table", { tabIndex: 0, role: "region", ariaLabel: "Table" });
  table.replaceWith(frame);
  frame.append(table);
}
