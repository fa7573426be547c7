/** The row of a tool call; it opens to show arguments and output. */

import { element } from "../elements/element.js";
import { QuestionView } from "./question.js";

const NAMES = { file_search: "File search", code_interpreter: "Code interpreter" };
const STATES = {
  running: "Running…",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  expired: "Expired",
  incomplete: "Interrupted",
};
const SHOWN_CHARS = 20_000;

export class ToolRow {
  #context;
  #shown = "";
  #name = element("bdi.name");
  #state = element("span.state");
  #body = element("div.tool-body");
  #question = null;

  constructor(entry, context) {
    this.#context = context;
    this.element = element("details.tool", {}, element("summary", {}, this.#name, this.#state), this.#body);
    this.update(entry);
  }

  update(entry) {
    this.#name.textContent = NAMES[entry.type] ?? entry.name;
    this.#name.classList.toggle("of-words", entry.type in NAMES);
    this.#state.textContent = stateText(entry);
    this.element.dataset.state = entry.state;
    this.#showSections(entry);
    this.#showQuestion(entry);
  }

  #showSections(entry) {
    const shown = JSON.stringify([entry.arguments, entry.output, entry.input, entry.outputs, entry.results]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#body.replaceChildren(...this.#sections(entry));
  }

  /** Open the row while it has a question; close it with the answer. */
  #showQuestion(entry) {
    if (entry.question && !this.#question) {
      this.#question = new QuestionView(entry, this.#context);
      this.element.append(this.#question.element);
      this.element.open = true;
    } else if (!entry.question && this.#question) {
      const hadFocus = this.#question.element.contains(document.activeElement);
      this.#question.element.remove();
      this.#question = null;
      this.element.open = false;
      if (hadFocus) this.element.firstElementChild.focus();
    }
    this.#question?.update(entry);
  }

  #sections(entry) {
    if (entry.type === "code_interpreter") return this.#code(entry);
    if (entry.type === "file_search") return [results(entry.results, this.#context.api)];
    return [
      section("Arguments", readable(entry.arguments)),
      ...(entry.output === null || entry.approval ? [] : [section("Output", readable(entry.output))]),
    ];
  }

  #code({ input, outputs }) {
    const shown = outputs.map((output) =>
      output.type === "logs" ? section("Output", output.text) : this.#context.images.figure(output),
    );
    return [section("Code", input), ...shown];
  }
}

function stateText({ state, question, approval, output }) {
  if (approval && output !== null) return output === "true" ? "Approved" : "Refused";
  if (question) return question.approval ? "Waiting for approval" : "Waiting for output";
  return STATES[state] ?? state;
}

function section(title, text) {
  const more = text.length - SHOWN_CHARS;
  const cut = more > 0 ? `${text.slice(0, SHOWN_CHARS)}\n… ${more} more characters` : text;
  return element(
    "section",
    {},
    element("h4", { text: title }),
    element("pre", { dir: "auto", tabIndex: 0, text: cut }),
  );
}

function results(passages, api) {
  if (!passages.length) return element("p.note", { text: "The search results are not available for this run." });
  const items = passages.map(({ file_id: id, file_name: name, score }) => {
    const href = api.fileUrl(id);
    const link = element("a", {
      href,
      target: "_blank",
      rel: "noopener",
      text: name ?? id,
      dir: "auto",
    });
    return element("li", {}, link, element("span.score", { text: `${Math.round((score ?? 0) * 100)} %` }));
  });
  return element("ol.results", { ariaLabel: "Search results" }, ...items);
}

/** Return JSON indented, other text unchanged. */
function readable(text) {
  if (text.length > SHOWN_CHARS || !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // incomplete, or not JSON
  }
}
