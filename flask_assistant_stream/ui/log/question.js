/** A call's question to the user: approve it, or enter its output. The answers of one run are sent together. */

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

  /** Move the focus to the row, because a disabled control loses it. */
  #passFocus() {
    if (!this.element.contains(document.activeElement)) return;
    this.element.closest("details")?.firstElementChild.focus({ preventScroll: true });
  }
}

function noteText({ approval, answer, working, sending, error }) {
  if (working) return "The page is running this function…";
  if (sending) return "Sending…";
  if (answer === null || error) return "";
  const state = !approval ? "Ready" : answer === YES ? "Approved" : "Refused";
  return `${state}. It is sent when every question is answered.`;
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
    show(current, locked) {
      for (const [output, control] of buttons) {
        control.setAttribute("aria-pressed", String(current === output));
        control.disabled = locked;
      }
    },
  };
}

function outputField({ name }, answer, cancel) {
  const field = element("textarea", {
    ariaLabel: `Output of ${name}`,
    rows: 1,
    dir: "auto",
    placeholder: "Output for the assistant",
  });
  const send = element("button.primary", { type: "button", text: "Send output", onclick: () => answer(field.value) });
  const cancelButton = element("button.quiet", { type: "button", text: "Cancel", onclick: cancel });
  field.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send.click();
  };
  return {
    elements: [field, element("div.buttons", {}, send, cancelButton)],
    show(current, locked) {
      for (const control of [field, send, cancelButton]) control.disabled = locked;
      if (current !== null && locked) field.value = current;
    },
  };
}
