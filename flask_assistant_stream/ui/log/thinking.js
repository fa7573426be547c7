/** The reasoning summary of the model: open while it streams, closed when it is complete. */

import { element } from "../elements/element.js";
import { PlainText } from "./plain_text.js";

export class ThinkingView {
  #text = new PlainText();
  #done = false;

  constructor(entry) {
    this.element = element("details.thinking", {}, element("summary", { text: "Reasoning" }), this.#text.element);
    this.#text.element.classList.add("thoughts");
    this.element.open = !entry.done;
    this.update(entry);
  }

  update(entry) {
    this.#text.update(entry.text);
    if (entry.done && !this.#done) this.element.open = false;
    this.#done = entry.done;
  }
}
