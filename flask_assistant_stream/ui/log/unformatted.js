/** The text of an entry that its view failed to draw: one entry never stops the others. */
import { element } from "../elements/element.js";
import { PlainText } from "./plain_text.js";

export class UnformattedView {
  #text = new PlainText();

  constructor(entry) {
    this.element = element("article.message", { ariaLabel: entry.role === "user" ? "You" : "Assistant" });
    this.element.append(this.#text.element, element("p.note", { text: "This could not be shown with its format." }));
    this.update(entry);
  }

  update({ parts = [], text, message, name, arguments: input }) {
    const texts = [...parts.map((part) => part?.text), text, message, name, input];
    this.#text.update(texts.filter((one) => typeof one === "string").join("\n\n"));
  }
}
