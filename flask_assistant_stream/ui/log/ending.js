/** The notice of a run that did not complete. */

import { element } from "../elements/element.js";

const TITLES = {
  failed: "The answer failed",
  incomplete: "The answer is incomplete",
  expired: "The answer expired",
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
    this.element.replaceChildren(words, ...(entry.again ? [this.#retryButton(entry)] : []));
  }

  #retryButton(entry) {
    return element("button.secondary", {
      type: "button",
      text: "Try again",
      onclick: () => this.#context.onRetry(entry),
    });
  }
}
