/** How a run ended that did not complete. */

import { element } from "./element.js";

const TITLES = {
  failed: "The answer failed",
  incomplete: "The answer is not complete",
  expired: "No answer in time",
  lost: "The connection was lost",
};

export class EndingView {
  #context;

  constructor(entry, context) {
    this.#context = context;
    this.element = element("div.ending");
    this.update(entry);
  }

  update(entry) {
    if (entry.status === "cancelled") {
      this.element.replaceChildren(element("p.note", { text: entry.message }));
      return;
    }
    this.element.setAttribute("role", "alert");
    const again = element("button.secondary", { type: "button", text: "Try again", onclick: () => this.#context.onRetry(entry) });
    this.element.replaceChildren(
      element("div.words", {}, element("strong", { text: TITLES[entry.status] }), element("p", { text: entry.message, dir: "auto" })),
      ...(entry.again ? [again] : []),
    );
  }
}
