/** A summary of what the model thinks: open while it comes, closed when it is over. */

import { element } from "./element.js";

export class ThinkingView {
  #text = element("div.thoughts", { dir: "auto" });
  #title = element("summary");
  #done = false;

  constructor(entry) {
    this.element = element("details.thinking", {}, this.#title, this.#text);
    this.element.open = !entry.done;
    this.update(entry);
  }

  update(entry) {
    this.#text.textContent = entry.text;
    this.#title.textContent = entry.done ? "Thoughts" : "Thinking…";
    if (entry.done && !this.#done) this.element.open = false;
    this.#done = entry.done;
  }
}
