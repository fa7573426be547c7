/** What is going on, in a line at the end of the log. */

import { element } from "../elements/element.js";

const QUIET = 4000; // text that pauses for so long is being thought about
const LONG = 10_000; // from here on the line says for how long nothing has come
const TICK = 1000;

/**
 * Say what a conversation is busy with, or null.
 *
 * @param {import("../thread/conversation.js").Conversation} conversation
 * @param {{connected: boolean, silent: number}} now `silent`: milliseconds since something came.
 */
export function activityText(conversation, { connected, silent }) {
  const run = conversation.busyRun;
  if (!run) return null;
  if (!connected) return "Reconnecting";
  if (run.status === "queued") return "Queued";
  if (run.status === "cancelling") return "Stopping";
  const ofRun = conversation.entries.filter((entry) => entry.runId === run.id);
  const call = ofRun.findLast((entry) => entry.kind === "call" && entry.state === "running");
  if (call) return callText(call);
  const last = ofRun.at(-1);
  if (last?.role === "assistant" && last.parts.length && silent < QUIET) return null; // the text itself moves
  return "Thinking";
}

function callText({ type, name }) {
  if (type === "file_search") return "Searching files";
  return type === "code_interpreter" ? "Running code" : `Calling ${name}`;
}

export class ActivityView {
  #text = element("span.what", { dir: "auto" });
  #since = element("span.since");
  #connected = true;
  #heard = Date.now();
  #ticking = null;

  constructor() {
    const dots = element("span.dots", { ariaHidden: "true" }, element("i"), element("i"), element("i"));
    this.element = element("div.activity", { hidden: true }, dots, this.#text, this.#since);
  }

  /** Note that something came, or that the connection was lost or found. */
  note(connected = true) {
    this.#heard = Date.now();
    this.#connected = connected;
  }

  /** Show what is going on now. */
  update(conversation) {
    const silent = Date.now() - this.#heard;
    const text = activityText(conversation, { connected: this.#connected, silent });
    this.element.hidden = text === null;
    if (text !== null && text !== this.#text.textContent) this.#text.textContent = text;
    this.#since.textContent = silent >= LONG ? `${Math.round(silent / 1000)} s` : "";
    this.#tick(conversation.busyRun ? conversation : null);
  }

  #tick(conversation) {
    if (conversation && !this.#ticking) this.#ticking = setInterval(() => this.update(conversation), TICK);
    if (!conversation) this.close();
  }

  /** Stop the clock. */
  close() {
    clearInterval(this.#ticking);
    this.#ticking = null;
  }
}
