/** The state of a conversation: turns history and run events into a list of entries. Pure: no DOM, no network. */

import {
  addCallPiece,
  addPiece,
  callEntry,
  draftEntry,
  endingEntry,
  hasEnded,
  isBusy,
  messageEntry,
  question,
  requiredCalls,
} from "./entries.js";

/** @typedef {import("./entries.js").Entry} Entry */

const OPEN = ["running", "waiting"];

export class Conversation {
  /** @type {Entry[]} in display order */
  entries = [];
  /** @type {Map<string, object>} the known runs, in their latest state */
  runs = new Map();
  /** Called after each change. */
  onchange = () => {};

  #keys = new Map();
  #seen = new Map(); // run → number of its last event
  #steps = new Map(); // step → keys of its calls
  #changed = new Set();
  #moved = false;
  #drafts = 0;

  get(key) {
    return this.#keys.get(key);
  }

  get newestRun() {
    return [...this.runs.values()].at(-1);
  }

  /** Return the newest active run, or undefined. */
  get busyRun() {
    return [...this.runs.values()].findLast(isBusy);
  }

  /** Return the runs that wait for an answer. */
  get waitingRuns() {
    return [...this.runs.values()].filter((run) => run.status === "requires_action");
  }

  /** Return the number of the last event of a run, 0 without any. */
  lastSeq(runId) {
    return this.#seen.get(runId) ?? 0;
  }

  /** Return the changes since the last call: keys of changed entries, and `moved` if entries were added or removed. */
  takeChanges() {
    const changes = { keys: this.#changed, moved: this.#moved };
    this.#changed = new Set();
    this.#moved = false;
    return changes;
  }

  // -- history ----------------------------------------------------------------------------------------------

  clear() {
    this.entries = [];
    this.runs.clear();
    for (const map of [this.#keys, this.#seen, this.#steps]) map.clear();
    this.#notify({ moved: true });
  }

  /** Add stored messages, oldest first: before the others with `older`, else after them. */
  addHistory(messages, { older = false } = {}) {
    const unknown = messages.filter((message) => !this.get(message.id) && !this.#adopt(message)).map(messageEntry);
    for (const entry of unknown) this.#keys.set(entry.key, entry);
    if (older) this.entries.unshift(...unknown);
    else this.entries.push(...unknown);
    this.#notify({ moved: unknown.length > 0 });
  }

  /** Match a stored message to the entry that this page sent, and set its id. */
  #adopt(message) {
    if (message.role !== "user") return false;
    const { text } = messageEntry(message).parts[0] ?? {};
    const draft = this.entries.find((entry) => isSent(entry) && entry.parts[0].text === text);
    if (draft) {
      draft.id = message.id;
      this.#keys.set(message.id, draft);
    }
    return Boolean(draft);
  }

  /** Return the id of the "oldest" or "newest" stored message, or null. */
  messageId(which) {
    const stored = this.entries.filter((entry) => entry.kind === "message" && entry.id);
    return (which === "oldest" ? stored[0] : stored.at(-1))?.id ?? null;
  }

  /** Add the steps of a run whose messages are loaded, each tool call before the message that followed it. */
  addSteps(runId, steps) {
    let pending = [];
    for (const step of steps) {
      const { tool_calls: calls, message_creation: creation } = step.step_details;
      if (calls) pending.push(...calls.map((call) => callEntry(call, runId, step.status)));
      const message = creation && this.get(creation.message_id);
      if (message) {
        this.#insert(pending, this.entries.indexOf(message));
        pending = [];
      }
    }
    this.#insert(pending, this.#endOf(runId));
    this.#notify({});
  }

  /** Set a run from the server's object; used when its events are not read. */
  setRun(run) {
    this.runs.set(run.id, run);
    this.#closeQuestions(run.id);
    if (run.status === "requires_action") this.#addQuestions(run);
    else if (hasEnded(run)) this.#end(run);
    this.#notify({});
  }

  /**
   * Add the endings of the runs that did not complete.
   *
   * @param {object[]} runs newest first; the first one is known, or shown by `setRun`
   */
  addEndings(runs) {
    let before = this.entries.length; // entries from here on belong to newer runs
    for (const [index, run] of runs.entries()) {
      const first = this.entries.findIndex((entry) => entry.runId === run.id && entry.role !== "user");
      const asked = (entry) => entry.role === "user" && entry.created !== null && entry.created <= run.created_at;
      const at = first < 0 ? this.entries.slice(0, before).findLastIndex(asked) + 1 : this.#endOf(run.id);
      if (at === 0) break; // its message is not loaded
      before = first < 0 ? at : first;
      const ending = index > 0 && hasEnded(run) && !this.#showsStop(run) && endingEntry(run);
      if (ending) this.#insert([{ ...ending, again: false, past: true }], at);
    }
    this.#notify({});
  }

  /** Return when the oldest loaded message was created, in seconds. */
  get oldestCreated() {
    return this.entries.find((entry) => entry.kind === "message")?.created ?? 0;
  }

  // -- messages and answers ---------------------------------------------------------------------------------

  /** Show a message that is being sent; returns its entry. */
  addDraft(content, attachments = []) {
    this.#drafts += 1;
    const entry = draftEntry(`draft-${this.#drafts}`, content, attachments);
    this.retireEndings();
    this.#keys.set(entry.key, entry);
    this.entries.push(entry);
    this.#notify({ moved: true });
    return entry;
  }

  /** Mark a draft as stored; the run answers it. */
  accept(draft, runId) {
    this.change(draft, { status: "completed", runId });
  }

  change(entry, changes) {
    Object.assign(entry, changes);
    this.#notify({ key: entry.key });
  }

  remove(entry) {
    this.#drop(entry.key);
    this.#notify({});
  }

  /** Mark a run as lost: its events could not be read to the end. */
  markLost(runId, message) {
    this.runs.set(runId, { id: runId, ...this.runs.get(runId), status: "lost" });
    this.#put({ kind: "ending", key: `${runId}:ending`, runId, status: "lost", message, again: true, past: false });
    this.#notify({});
  }

  /** Mark a lost run as being read again. */
  clearLost(runId) {
    this.runs.set(runId, { ...this.runs.get(runId), status: "in_progress" });
    this.#drop(`${runId}:ending`);
    this.#notify({});
  }

  /** Return the calls of a run that wait for an answer. */
  questions(runId) {
    return this.#callsOf(runId).filter((call) => call.question);
  }

  #callsOf(runId) {
    return this.entries.filter((entry) => entry.kind === "call" && entry.runId === runId);
  }

  changeQuestion(call, changes) {
    if (call.question) this.change(call, { question: { ...call.question, ...changes } });
  }

  // -- events of a run --------------------------------------------------------------------------------------

  /** Apply an event of a run's stream; a known one changes nothing. */
  apply(runId, { event, data, seq }) {
    if (seq <= this.lastSeq(runId)) return;
    this.#seen.set(runId, seq);
    const [, subject, detail] = event.split(".", 3); // the third part of a run's event is its status, or "step"
    if (event === "thread.run.x_reasoning.delta") this.#addReasoning(runId, data);
    else if (event === "thread.run.step.delta") this.#addCalls(runId, data);
    else if (subject === "run" && detail === "step") this.#setStep(runId, data);
    else if (subject === "run") this.#setRun(event, data);
    else if (event === "thread.message.delta") this.#addText(data);
    else if (subject === "message") this.#setMessage(data); // vendor events and thread events are ignored
    this.#notify({});
  }

  #setRun(event, run) {
    if (event === "thread.run.created") this.#dropRun(run.id);
    this.runs.set(run.id, run);
    this.#closeQuestions(run.id);
    this.#drop(`${run.id}:ending`);
    if (run.status === "requires_action") this.#addQuestions(run);
    else if (hasEnded(run)) this.#end(run);
  }

  #addQuestions(run) {
    for (const call of this.#callsOf(run.id)) if (call.state === "running") this.#change(call, { state: "completed" });
    for (const required of requiredCalls(run)) {
      const call = this.get(required.id) ?? this.#put(callEntry(required, run.id, "in_progress"));
      this.#change(call, { state: "waiting", question: question(required) });
    }
  }

  #closeQuestions(runId) {
    for (const call of this.questions(runId)) this.#change(call, { state: "running", question: null });
  }

  /** Drop the history entries of a run that is now read from its beginning. */
  #dropRun(runId) {
    const stale = this.entries.filter((entry) => entry.runId === runId && entry.role !== "user");
    for (const { key } of stale) this.#drop(key);
  }

  #end(run) {
    const ending = this.#showsStop(run) ? null : endingEntry(run);
    if (ending) this.#put(ending);
    if (ending)
      this.#change(ending, { again: ending.again && this.newestRun.id === run.id });
    this.#endReasoning(run.id);
    for (const call of this.#callsOf(run.id)) if (OPEN.includes(call.state)) this.#change(call, { state: run.status });
  }

  /** Return true if the last message of a cancelled run shows "Stopped". */
  #showsStop(run) {
    const last = this.entries.findLast((entry) => entry.runId === run.id);
    return run.status === "cancelled" && last?.status === "incomplete";
  }

  #addReasoning(runId, { item, delta }) {
    const key = `${runId}:thinking:${item}`;
    const entry = this.get(key) ?? this.#put({ kind: "thinking", key, runId, text: "", done: false });
    this.#change(entry, { text: entry.text + delta });
  }

  #setStep(runId, step) {
    this.#endReasoning(runId);
    (step.step_details.tool_calls ?? []).forEach((call, index) => {
      this.#keysOf(step.id)[index] = call.id;
      const entry = callEntry(call, runId, step.status);
      const known = this.get(call.id);
      if (known) this.#change(known, entry);
      else this.#put(entry);
    });
    if (step.status === "in_progress") return;
    for (const key of this.#keysOf(step.id)) {
      if (OPEN.includes(this.get(key)?.state)) this.#change(this.get(key), { state: step.status });
    }
  }

  #addCalls(runId, { id: stepId, delta }) {
    const keys = this.#keysOf(stepId);
    for (const piece of delta.step_details?.tool_calls ?? []) {
      const known = this.get(keys[piece.index]);
      if (known) {
        addCallPiece(known, piece);
        this.#change(known, {});
      } else {
        keys[piece.index] = piece.id ?? `${stepId}:${piece.index}`;
        this.#put(callEntry({ ...piece, id: keys[piece.index] }, runId, "in_progress"));
      }
    }
  }

  #keysOf(stepId) {
    if (!this.#steps.has(stepId)) this.#steps.set(stepId, []);
    return this.#steps.get(stepId);
  }

  #setMessage(message) {
    this.#endReasoning(message.run_id);
    const entry = messageEntry(message);
    const known = this.get(message.id);
    if (known) this.#change(known, entry);
    else this.#put(entry);
  }

  #addText({ id, delta }) {
    const message = this.get(id);
    if (!message) return;
    for (const piece of delta.content ?? []) addPiece(message, piece);
    this.#change(message, {});
  }

  #endReasoning(runId) {
    for (const entry of this.entries) {
      if (entry.kind === "thinking" && entry.runId === runId && !entry.done) this.#change(entry, { done: true });
    }
  }

  // -- the list ---------------------------------------------------------------------------------------------

  /** Put an entry at the end of its run; replaces an entry with the same key. */
  #put(entry) {
    this.#drop(entry.key);
    this.#insert([entry], this.#endOf(entry.runId));
    return entry;
  }

  #insert(entries, at) {
    const unknown = entries.filter((entry) => !this.get(entry.key));
    for (const entry of unknown) this.#keys.set(entry.key, entry);
    this.entries.splice(at, 0, ...unknown);
    this.#moved ||= unknown.length > 0;
  }

  #endOf(runId) {
    const last = this.entries.findLastIndex((entry) => entry.runId === runId && entry.kind !== "ending");
    if (last >= 0) return last + 1;
    const ending = this.entries.findIndex((entry) => entry.runId === runId);
    return ending < 0 ? this.entries.length : ending;
  }

  #drop(key) {
    const entry = this.get(key);
    if (!entry) return;
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.#keys.delete(key);
    this.#moved = true;
  }

  /** Remove the retry of earlier failures; it is allowed only until the next message or run. */
  retireEndings() {
    for (const entry of this.entries) {
      if (entry.kind === "ending" && !entry.past) this.#change(entry, { again: false, past: true });
    }
    this.#notify({});
  }

  #change(entry, changes) {
    Object.assign(entry, changes);
    this.#changed.add(entry.key);
  }

  #notify({ key, moved = false }) {
    if (key) this.#changed.add(key);
    this.#moved ||= moved;
    this.onchange();
  }
}

/** Return true for a sent message that is stored, but whose id this page does not know yet. */
function isSent(entry) {
  return entry.kind === "message" && entry.id === null && entry.status === "completed";
}
