/** How a run ended that did not complete. */

import { element } from "../elements/element.js";

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
    const [title, { message, past, status }] = [TITLES[entry.status], entry];
    if (past || status === "cancelled") {
      this.element.removeAttribute("role");
      this.element.replaceChildren(element("p.note", { text: title ? `${title}: ${message}` : message, dir: "auto" }));
      return;
    }
    this.element.setAttribute("role", "alert");
    const words = element(
      "div.words",
      {},
      element("strong", { text: title }),
      element("p", { text: message, dir: "auto" }),
    );
    this.element.replaceChildren(words, ...(entry.again ? [this.#again(entry)] : []));
  }

  #again(entry) {
    return element("button.secondary", {
      type: "button",
      text: "Try again",
      onclick: () => this.#context.onRetry(entry),
    });
  }
}
