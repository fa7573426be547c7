/** Text as it is: of a very long one the beginning, with a button for the rest, because a browser lays it out for seconds. */
import { element } from "../elements/element.js";

const MAX_CHARS = 200_000;
const MAX_LINES = 3000;

/** Return the length of the part that a page shows without delay. */
export function shownLength(text) {
  let end = -1;
  for (let line = 0; line < MAX_LINES; line += 1) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) return Math.min(text.length, MAX_CHARS);
  }
  return Math.min(end, MAX_CHARS);
}

export class PlainText {
  #text = "";
  #whole = false;
  #node = document.createTextNode("");
  #more;

  constructor(text = "") {
    this.#more = element("button.quiet", { type: "button", onclick: () => this.#showAll() });
    this.element = element("div.text", { dir: "auto" }, this.#node);
    this.update(text);
  }

  /** @param {string} text all of it, perhaps longer than before */
  update(text) {
    this.#text = text;
    const length = this.#whole ? text.length : shownLength(text);
    setText(this.#node, text.slice(0, length));
    if (length === text.length) return void this.#more.remove();
    this.#more.textContent = `Show ${(text.length - length).toLocaleString("en")} more characters`;
    this.element.append(this.#more);
  }

  #showAll() {
    this.#whole = true;
    this.update(this.#text);
  }
}

/** Set the text of a node; a longer text with the same beginning is only extended. */
export function setText(node, text) {
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}
