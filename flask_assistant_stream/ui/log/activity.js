/** The activity line at the end of the log. */

import { element } from "../elements/element.js";

const QUIET = 4000; // after this pause in the text, the line shows "Thinking"
const LONG = 10_000; // after this silence, the line shows its duration
const TICK = 1000;

/**
 * Return the text of the activity line, or null if no run is active.
 *
 * @param {import("../thread/conversation.js").Conversation} conversation
 * @param {{connected: boolean, silent: number}} now `silent`: milliseconds since the last event.
 */
export function activityText(conversation, { connected, silent }) {
  const run = conversation.busyRun;
  if (!run) return null;
  if (!connected) return "Reconnecting";
  if (run.status === "queued") return "Queued";
  if (run.status === "cancelling") return "Stopping";
  const runEntries = conversation.entries.filter((entry) => entry.runId === run.id);
  const call = runEntries.findLast((entry) => entry.kind === "call" && entry.state === "running");
  if (call) return callText(call);
  const last = runEntries.at(-1);
  if (last?.role === "assistant" && last.parts.length && silent < QUIET) return null; // the growing text is enough
  return "Thinking";
}

function callText({ type, name }) {
  if (type === "file_search") return "Searching files";
  return type === "code_interpreter" ? "Running code" : `Calling ${name}`;
}

export class ActivityView {
  #text = element("span.what", { dir: "auto" });
  #since = element("span.since");
  #retry;
  #connected = true;
  #lastEventAt = Date.now();
  #ticking = null;

  /** @param {() => void} onReconnect the user wants a lost connection back now */
  constructor(onReconnect) {
    const dots = element("span.dots", { ariaHidden: "true" }, element("i"), element("i"), element("i"));
    this.#retry = element("button.link", { type: "button", text: "Retry now", hidden: true, onclick: onReconnect });
    this.element = element("div.activity", { hidden: true }, dots, this.#text, this.#since, this.#retry);
  }

  /** Record an event, or a lost or restored connection. */
  note(connected = true) {
    this.#lastEventAt = Date.now();
    this.#connected = connected;
  }

  update(conversation) {
    const silent = Date.now() - this.#lastEventAt;
    const text = activityText(conversation, { connected: this.#connected, silent });
    this.element.hidden = text === null;
    this.#offerRetry(text !== null && !this.#connected);
    if (text !== null && text !== this.#text.textContent) this.#text.textContent = text;
    this.#since.textContent = silent >= LONG ? `${Math.round(silent / 1000)} s` : "";
    this.#tick(conversation.busyRun ? conversation : null);
  }

  #offerRetry(offered) {
    const focused = document.activeElement === this.#retry; // a hidden control loses the focus
    this.#retry.hidden = !offered;
    if (focused && !offered) this.element.closest("[role=log]")?.focus({ preventScroll: true });
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
