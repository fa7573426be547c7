/** What a run asks the page for: calls to approve, and outputs of functions that the page calls. One card, one answer. */

import { element } from "./element.js";
import { readable } from "./tool_row.js";

const [YES, NO] = ["true", "false"];

export class ActionCard {
  #context;
  #action;
  #error = element("p.error", { role: "alert", hidden: true });
  #cancel;
  /** @type {Map<string, {show(call: object, answer: ?string, locked: boolean): void}>} */
  #asked = new Map();

  constructor(action, context) {
    this.#context = context;
    this.#action = action;
    this.#cancel = element("button.quiet", { type: "button", text: "Cancel", onclick: () => context.onCancel(this.#action) });
    const asked = action.calls.map((call) => this.#view(call));
    this.element = element("section.action", { ariaLabel: "The assistant waits for you" }, ...asked, this.#error, this.#cancel);
    this.update(action);
  }

  update(action) {
    this.#action = action;
    const sending = action.state === "sending";
    this.element.setAttribute("aria-busy", String(sending));
    for (const call of action.calls) this.#asked.get(call.id)?.show(call, action.answers[call.id] ?? null, sending);
    this.#cancel.disabled = sending;
    this.#error.hidden = !action.error;
    this.#error.textContent = action.error ?? "";
  }

  #view(call) {
    const answer = (output) => this.#context.onAnswer(this.#action, call.id, output);
    const view = call.approval ? approval(answer) : outputField(call, answer);
    this.#asked.set(call.id, view);
    const question = element("p.question", {}, call.approval ? "May it use " : "It asks for the output of ", element("bdi.name", { text: call.name }), call.approval ? "?" : ".");
    const given = readable(call.arguments);
    const pre = given === "{}" ? null : element("pre", { dir: "auto", tabIndex: 0, ariaLabel: "Arguments", text: given });
    return element("div.asked", { role: "group", ariaLabel: call.name }, question, pre, ...view.parts);
  }
}

function approval(answer) {
  const note = element("p.note", { hidden: true });
  const button = (name, output, look) =>
    element(`button.${look}`, { type: "button", text: name, ariaPressed: "false", onclick: () => answer(output) });
  const buttons = new Map([[YES, button("Approve", YES, "primary")], [NO, button("Refuse", NO, "secondary")]]);
  return {
    parts: [element("div.buttons", {}, ...buttons.values()), note],
    show(_, given, locked) {
      for (const [output, one] of buttons) {
        one.setAttribute("aria-pressed", String(given === output));
        one.disabled = locked;
      }
      note.hidden = given === null;
      note.textContent = given === YES ? "Approved" : "Refused";
    },
  };
}

function outputField({ name }, answer) {
  const field = element("textarea", { ariaLabel: `Output of ${name}`, rows: 2, dir: "auto" });
  const send = element("button.primary", { type: "button", text: "Send output", onclick: () => answer(field.value) });
  const note = element("p.note", { hidden: true });
  field.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send.click();
  };
  return {
    parts: [field, element("div.buttons", {}, send), note],
    show(call, given, locked) {
      const taken = locked || call.working;
      field.disabled = send.disabled = taken;
      if (given !== null && given !== field.value) field.value = given;
      note.hidden = given === null && !taken;
      note.textContent = call.working ? "The page is working on it…" : "Ready";
    },
  };
}
