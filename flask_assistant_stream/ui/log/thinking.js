/** The reasoning summary of the model: open while it streams, closed when it is complete. */

import { element } from "../elements/element.js";

export class ThinkingView {
  #text = element("div.thoughts", { dir: "auto" });
  #done = false;

  constructor(entry) {
    this.element = element("details.thinking", {}, element("summary", { text: "Reasoning" }), this.#text);
    this.element.open = !entry.done;
    this.update(entry);
  }

  update(entry) {
    this.#text.textContent = entry.text;
    if (entry.done && !this.#done) this.element.open = false;
    this.#done = entry.done;
  }
}
