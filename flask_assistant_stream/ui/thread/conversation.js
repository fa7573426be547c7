/** The state of a conversation: history and the events of runs become a list of entries. Pure: no DOM, no network. */

import {
  addCallPiece,
  addPiece,
  askedCalls,
  callEntry,
  draftEntry,
  endingEntry,
  hasEnded,
  isBusy,
  messageEntry,
  question,
} from "./entries.js";

/** @typedef {import("./entries.js").Entry} Entry */

const OPEN = ["running", "waiting"];

export class Conversation {
  /** @type {Entry[]} in the order in which they are shown */
  entries = [];
  /** @type {Map<string, object>} the runs that are known, as their last event left them */
  runs = new Map();
  /** Called after each change. */
  onchange = () => {};

  #keys = new Map();
  #seen = new Map(); // run → number of its last event
  #steps = new Map(); // step → keys of its calls
  #changed = new Set();
  #moved = false;
  #drafts = 0;

  /** Return an entry by its key. */
  get(key) {
    return this.#keys.get(key);
  }

  /** Return the newest run, or undefined. */
  get newestRun() {
    return [...this.runs.values()].at(-1);
  }

  /** Return the newest run that is at work, or undefined. */
  get busyRun() {
    return [...this.runs.values()].findLast(isBusy);
  }

  /** Return the runs that wait for an answer. */
  get waitingRuns() {
    return [...this.runs.values()].filter((run) => run.status === "requires_action");
  }

  /** Return the number of the last event of a run, 0 where none was seen. */
  lastSeq(runId) {
    return this.#seen.get(runId) ?? 0;
  }

  /** Return what has changed since the last call: keys of changed entries, and whether entries came, went or moved. */
  takeChanges() {
    const changes = { keys: this.#changed, moved: this.#moved };
    this.#changed = new Set();
    this.#moved = false;
    return changes;
  }

  // -- history ----------------------------------------------------------------------------------------------

  /** Forget everything. */
  clear() {
    this.entries = [];
    this.runs.clear();
    for (const known of [this.#keys, this.#seen, this.#steps]) known.clear();
    this.#tell({ moved: true });
  }

  /** Add messages that the server has, oldest first: those of before with `older`, else those that are new. */
  addHistory(messages, { older = false } = {}) {
    const unknown = messages.filter((message) => !this.get(message.id) && !this.#adopt(message)).map(messageEntry);
    for (const entry of unknown) this.#keys.set(entry.key, entry);
    if (older) this.entries.unshift(...unknown);
    else this.entries.push(...unknown);
    this.#tell({ moved: unknown.length > 0 });
  }

  /** A message that this page has sent comes back under its id. */
  #adopt(message) {
    if (message.role !== "user") return false;
    const { text } = messageEntry(message).parts[0] ?? {};
    const draft = this.entries.find((one) => isSent(one) && one.parts[0].text === text);
    if (draft) {
      draft.id = message.id;
      this.#keys.set(message.id, draft);
    }
    return Boolean(draft);
  }

  /** Return the id of the oldest or newest message that the server has, or null. */
  messageId(which) {
    const known = this.entries.filter((entry) => entry.kind === "message" && entry.id);
    return (which === "oldest" ? known[0] : known.at(-1))?.id ?? null;
  }

  /** Add the steps of a run whose messages are there, each tool call before the message that followed it. */
  addSteps(runId, steps) {
    let waiting = [];
    for (const step of steps) {
      const { tool_calls: calls, message_creation: made } = step.step_details;
      if (calls) waiting.push(...calls.map((call) => callEntry(call, runId, step.status)));
      const message = made && this.get(made.message_id);
      if (message) {
        this.#insert(waiting, this.entries.indexOf(message));
        waiting = [];
      }
    }
    this.#insert(waiting, this.#endOf(runId));
    this.#tell({});
  }

  /** Take a run as the server tells it, where its events are not read. */
  setRun(run) {
    this.runs.set(run.id, run);
    this.#answered(run.id);
    if (run.status === "requires_action") this.#ask(run);
    else if (hasEnded(run)) this.#end(run);
    this.#tell({});
  }

  // -- what the page sends ----------------------------------------------------------------------------------

  /** Show a message that is being sent; returns its entry. */
  addDraft(content, attachments = []) {
    this.#drafts += 1;
    const entry = draftEntry(`draft-${this.#drafts}`, content, attachments);
    this.#retire();
    this.#keys.set(entry.key, entry);
    this.entries.push(entry);
    this.#tell({ moved: true });
    return entry;
  }

  /** A message was taken: it is the one that a run answers. */
  accept(draft, runId) {
    this.change(draft, { status: "completed", runId });
  }

  /** Change keys of an entry. */
  change(entry, changes) {
    Object.assign(entry, changes);
    this.#tell({ key: entry.key });
  }

  /** Take an entry away. */
  remove(entry) {
    this.#drop(entry.key);
    this.#tell({});
  }

  /** Say that the events of a run could not be read on. */
  lose(runId, message) {
    this.runs.set(runId, { id: runId, ...this.runs.get(runId), status: "lost" });
    this.#put({ kind: "ending", key: `${runId}:ending`, runId, status: "lost", message, again: true, past: false });
    this.#tell({});
  }

  /** Say that they are being read again. */
  find(runId) {
    this.runs.set(runId, { ...this.runs.get(runId), status: "in_progress" });
    this.#drop(`${runId}:ending`);
    this.#tell({});
  }

  /** Return the calls of a run that wait for an answer. */
  questions(runId) {
    return this.#callsOf(runId).filter((call) => call.question);
  }

  #callsOf(runId) {
    return this.entries.filter((entry) => entry.kind === "call" && entry.runId === runId);
  }

  /** Change the question of a call. */
  changeQuestion(call, changes) {
    if (call.question) this.change(call, { question: { ...call.question, ...changes } });
  }

  /** Return the last message of the user before an entry. */
  saidBefore(entry) {
    return this.entries.slice(0, this.entries.indexOf(entry)).findLast((one) => one.role === "user");
  }

  // -- events of a run --------------------------------------------------------------------------------------

  /** Take an event of a run's stream; one that is known already changes nothing. */
  apply(runId, { event, data, seq }) {
    if (seq <= this.lastSeq(runId)) return;
    this.#seen.set(runId, seq);
    const [, subject, detail] = event.split(".", 3); // the third of a run's event: its status, or step
    if (event === "thread.run.x_reasoning.delta") this.#think(runId, data);
    else if (event === "thread.run.step.delta") this.#addCalls(runId, data);
    else if (subject === "run" && detail === "step") this.#setStep(runId, data);
    else if (subject === "run") this.#setRun(event, data);
    else if (event === "thread.message.delta") this.#addText(data);
    else if (subject === "message") this.#setMessage(data); // the rest are vendor events and those of the thread
    this.#tell({});
  }

  #setRun(event, run) {
    if (event === "thread.run.created") this.#forget(run.id);
    this.runs.set(run.id, run);
    this.#answered(run.id);
    this.#drop(`${run.id}:ending`);
    if (run.status === "requires_action") this.#ask(run);
    else if (hasEnded(run)) this.#end(run);
  }

  #ask(run) {
    for (const call of this.#callsOf(run.id)) if (call.state === "running") this.#change(call, { state: "completed" });
    for (const asked of askedCalls(run)) {
      const call = this.get(asked.id) ?? this.#put(callEntry(asked, run.id, "in_progress"));
      this.#change(call, { state: "waiting", question: question(asked) });
    }
  }

  #answered(runId) {
    for (const call of this.questions(runId)) this.#change(call, { state: "running", question: null });
  }

  /** Drop what the history has shown of a run that is now read from its beginning. */
  #forget(runId) {
    for (const entry of this.entries.filter((one) => one.runId === runId && one.role !== "user")) this.#drop(entry.key);
  }

  #end(run) {
    const last = this.entries.findLast((entry) => entry.runId === run.id);
    const told = run.status === "cancelled" && last?.status === "incomplete"; // the message says so
    const ending = told ? null : endingEntry(run);
    if (ending) this.#put(ending);
    if (ending)
      this.#change(ending, { again: ending.again && this.newestRun.id === run.id && this.#canRepeat(ending) });
    this.#thought(run.id);
    for (const call of this.#callsOf(run.id)) if (OPEN.includes(call.state)) this.#change(call, { state: run.status });
  }

  #canRepeat(ending) {
    return Boolean(this.saidBefore(ending)?.parts.some((part) => part.text?.trim()));
  }

  #think(runId, { item, delta }) {
    const key = `${runId}:thinking:${item}`;
    const entry = this.get(key) ?? this.#put({ kind: "thinking", key, runId, text: "", done: false });
    this.#change(entry, { text: entry.text + delta });
  }

  #setStep(runId, step) {
    this.#thought(runId);
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
    this.#thought(message.run_id);
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

  #thought(runId) {
    for (const entry of this.entries) {
      if (entry.kind === "thinking" && entry.runId === runId && !entry.done) this.#change(entry, { done: true });
    }
  }

  // -- the list ---------------------------------------------------------------------------------------------

  /** Put an entry where its run ends, in the place of one with its key. */
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
    const last = this.entries.findLastIndex((entry) => entry.runId === runId);
    return last < 0 ? this.entries.length : last + 1;
  }

  #drop(key) {
    const entry = this.get(key);
    if (!entry) return;
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.#keys.delete(key);
    this.#moved = true;
  }

  /** What failed before can be tried again only as long as nothing was said after it. */
  #retire() {
    for (const entry of this.entries) {
      if (entry.kind === "ending" && !entry.past) this.#change(entry, { again: false, past: true });
    }
  }

  #change(entry, changes) {
    Object.assign(entry, changes);
    this.#changed.add(entry.key);
  }

  #tell({ key, moved = false }) {
    if (key) this.#changed.add(key);
    this.#moved ||= moved;
    this.onchange();
  }
}

/** Whether an entry is a message of this page that the server has, under an id that the page does not know yet. */
function isSent(entry) {
  return entry.kind === "message" && entry.id === null && entry.status === "completed";
}
