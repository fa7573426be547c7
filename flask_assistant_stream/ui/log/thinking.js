/** A summary of what the model thinks: open while it comes, closed when it is over. */

import { element } from "../elements/element.js";

export class ThinkingView {
  #text = element("div.thoughts", { dir: "auto" });
  #done = false;

  constructor(entry) {
    this.element = element("details.thinking", {}, element("summary", { text: "Thoughts" }), this.#text);
    this.element.open = !entry.done;
    this.update(entry);
  }

  update(entry) {
    this.#text.textContent = entry.text;
    if (entry.done && !this.#done) this.element.open = false;
    this.#done = entry.done;
  }
}
