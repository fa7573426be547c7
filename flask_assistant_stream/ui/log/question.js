/** What a call asks the reader: whether it may be made, or for its output. Several are answered together. */

import { element } from "../elements/element.js";

const [YES, NO] = ["true", "false"];

export class QuestionView {
  #call;
  #note = element("p.note", { hidden: true });
  #error = element("p.error", { role: "alert" });
  #controls;

  constructor(call, context) {
    this.#call = call;
    const answer = (output) => context.onAnswer(this.#call, output);
    this.#controls = call.question.approval
      ? approval(answer)
      : outputField(call, answer, () => context.onCancel(this.#call));
    this.element = element("div.question", {}, ...this.#controls.elements, this.#note, this.#error);
  }

  update(call) {
    this.#call = call;
    const { question } = call;
    const locked = question.sending || question.working;
    if (locked) this.#passFocus();
    this.#controls.show(question.answer, locked);
    const note = noteText(question);
    this.#note.hidden = !note;
    this.#note.textContent = note;
    if (this.#error.textContent !== (question.error ?? "")) this.#error.textContent = question.error ?? "";
  }

  /** What is disabled loses the focus: the row itself takes it. */
  #passFocus() {
    if (!this.element.contains(document.activeElement)) return;
    this.element.closest("details")?.firstElementChild.focus({ preventScroll: true });
  }
}

function noteText({ approval, answer, working, sending, error }) {
  if (working) return "The page is working on it…";
  if (sending) return "Sending…";
  if (answer === null || error) return "";
  const taken = !approval ? "Ready" : answer === YES ? "Approved" : "Refused";
  return `${taken}. It is sent when the other questions are answered, too.`;
}

function approval(answer) {
  const button = (name, output, look) =>
    element(`button.${look}`, { type: "button", text: name, onclick: () => answer(output) });
  const buttons = new Map([
    [YES, button("Approve", YES, "primary")],
    [NO, button("Refuse", NO, "secondary")],
  ]);
  return {
    elements: [element("div.buttons", {}, ...buttons.values())],
    show(given, locked) {
      for (const [output, one] of buttons) {
        one.setAttribute("aria-pressed", String(given === output));
        one.disabled = locked;
      }
    },
  };
}

function outputField({ name }, answer, cancel) {
  const field = element("textarea", {
    ariaLabel: `Output of ${name}`,
    rows: 1,
    dir: "auto",
    placeholder: "What the assistant is to hear",
  });
  const send = element("button.primary", { type: "button", text: "Send output", onclick: () => answer(field.value) });
  const giveUp = element("button.quiet", { type: "button", text: "Cancel", onclick: cancel });
  field.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send.click();
  };
  return {
    elements: [field, element("div.buttons", {}, send, giveUp)],
    show(given, locked) {
      for (const one of [field, send, giveUp]) one.disabled = locked;
      if (given !== null && locked) field.value = given;
    },
  };
}
