/** One thread, open in the page: its history, the run that is at work on it, what is sent and answered. */

import { Log } from "../log/log.js";
import { Actions } from "./actions.js";
import { Conversation } from "./conversation.js";
import { hasEnded } from "./entries.js";
import { History } from "./history.js";
import { OtherTabs } from "./other_tabs.js";
import { own } from "./page_tools.js";
import { RunReader } from "./run_reader.js";
import { begin } from "./stream.js";

const SAID = {
  completed: "Answer complete",
  cancelled: "Answer stopped",
  requires_action: "The assistant waits for you",
};

/**
 * Events: "thread" `{id}` when a new thread has its id, "title" `{id, title}`, "busy" when `busy` has changed, and
 * "activity" when the thread was used.
 */
export class OpenThread extends EventTarget {
  #api;
  #announcer;
  #threadId = null;
  #leaving = new AbortController();
  #conversation = new Conversation();
  #log;
  #tabs;
  #reader;
  #actions;
  /** @type {?History} */
  #history = null;
  #sending = 0;
  #stopAsked = false;
  #wasBusy = false;
  #looking = null;
  #loadingOlder = null;

  /**
   * @param {object} parts
   * @param {import("../api.js").Api} parts.api
   * @param {import("../elements/announcer.js").Announcer} parts.announcer
   * @param {HTMLElement} parts.log becomes the log, and scrolls.
   * @param {Object<string, Function>} [parts.tools] functions of the page that runs may call, see page_tools.js.
   */
  constructor({ api, announcer, log, tools = {} }) {
    super();
    const { signal } = this.#leaving;
    this.#api = api;
    this.#announcer = announcer;
    this.#actions = new Actions(this.#conversation, tools, signal, (...answer) => this.#submit(...answer));
    this.#reader = new RunReader(api, signal, {
      event: (runId, event) => this.#take(runId, event),
      end: (runId) => this.#ended(runId),
      gone: (runId) => this.#history.runWithoutEvents(runId).then(() => this.#tellBusy()),
      lost: (runId, error) => this.#lost(runId, error),
      connection: (connected) => this.#note(connected),
    });
    this.#log = new Log(log, this.#conversation, {
      api,
      onRetry: (ending) => this.#retry(ending),
      onAnswer: (call, output) => this.#actions.answer(call, output),
      onCancel: (call) => this.#giveUp(call),
      onOlder: () => this.#loadOlder(),
      onRunInView: (runId) => this.#history?.wantSteps(runId),
    });
    this.#tabs = new OtherTabs(`assistant-chat:${api.url("")}`, (threadId) => this.#hear(threadId));
  }

  /** The thread, or null as long as nothing was said. */
  get threadId() {
    return this.#threadId;
  }

  /** Whether a run is queued or at work; one that waits for an answer is not. */
  get busy() {
    return Boolean(this.#conversation.busyRun) || this.#sending > 0;
  }

  /** Open a thread, null for a new one: show the newest messages, and the run that is at work. Once per object. */
  async open(threadId) {
    if (!threadId) return;
    this.#isThread(threadId);
    const [more, run] = await Promise.all([this.#history.newest(), this.#history.newestRun()]);
    if (this.#left) return;
    this.#log.setOlder(more);
    if (run) this.#show(run);
  }

  /** Leave the thread; its runs go on. */
  close() {
    this.#leaving.abort(new DOMException("The thread was left.", "AbortError"));
    this.#tabs.close();
    this.#log.close();
  }

  get #left() {
    return this.#leaving.signal.aborted;
  }

  #isThread(threadId) {
    this.#threadId = threadId;
    this.#history = new History(this.#api, threadId, this.#conversation, this.#leaving.signal);
  }

  #tell(name, detail = { id: this.#threadId }) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #tellBusy() {
    if (this.busy === this.#wasBusy) return;
    this.#wasBusy = this.busy;
    this.#tell("busy");
  }

  #note(connected) {
    this.#log.activity.note(connected);
    this.#log.changed();
  }

  // -- history ----------------------------------------------------------------------------------------------

  /** Read a run that is not over; of one that is, say how it ended. */
  #show(run) {
    if (hasEnded(run)) this.#conversation.setRun(run);
    else this.#read(run.id);
  }

  #loadOlder() {
    this.#loadingOlder ??= this.#history
      .older()
      .then((more) => this.#left || this.#log.setOlder(more))
      .catch((error) => this.#announcer.say(error.message)) // the button stays
      .finally(() => (this.#loadingOlder = null));
  }

  /** Another tab has used a thread, or somebody looks at this one again. */
  #hear(threadId) {
    if (!this.#threadId || (threadId && threadId !== this.#threadId)) return;
    if (threadId) this.#tell("activity");
    this.#look();
  }

  #look() {
    this.#looking ??= this.#lookForRun()
      .catch(() => {}) // the next look finds it
      .finally(() => (this.#looking = null));
  }

  async #lookForRun() {
    const run = await this.#history.newestRun();
    if (this.#left || !run || this.#sending || this.#reader.reads(run.id)) return;
    const known = this.#conversation.runs.get(run.id);
    if (known?.status === run.status) return;
    if (known) return void this.#read(run.id);
    const more = await this.#history.newest();
    if (this.#left) return;
    if (more) this.#log.setOlder(true);
    this.#readWaiting();
    this.#show(run);
  }

  /** A run that waited is passed over when another begins: read how it ended. */
  #readWaiting() {
    for (const run of this.#conversation.waitingRuns) this.#read(run.id);
  }

  // -- sending ----------------------------------------------------------------------------------------------

  /**
   * Send a message; resolves when it was taken.
   *
   * @param {string} content
   * @param {object[]} [attachments]
   * @throws {import("../api.js").ApiError} it was not; nothing of it is left in the log.
   */
  async send(content, attachments = []) {
    const draft = this.#conversation.addDraft(content, attachments);
    this.#log.toEnd();
    this.#stopAsked = false;
    this.#changeSending(1);
    try {
      const path = this.#threadId ? `/threads/${this.#threadId}/messages` : "/chat/stream";
      const response = await this.#post(path, { content, attachments });
      if (this.#left) response.body.cancel();
      else this.#taken(draft, response);
    } catch (error) {
      this.#conversation.remove(draft);
      throw error;
    } finally {
      this.#changeSending(-1);
    }
  }

  #changeSending(by) {
    this.#sending += by;
    if (!this.#left) this.#tellBusy();
  }

  #post(path, body) {
    return begin((idempotencyKey) => this.#api.stream(path, body, { idempotencyKey }));
  }

  #taken(draft, response) {
    const runId = response.headers.get("X-Run-Id");
    const isNew = !this.#threadId;
    if (isNew) this.#isThread(response.headers.get("X-Thread-Id"));
    own(runId);
    this.#conversation.accept(draft, runId);
    this.#readWaiting();
    this.#read(runId, response);
    if (isNew) this.#tell("thread");
    this.#tell("activity");
    this.#tabs.tell(this.#threadId);
    if (this.#stopAsked) this.#cancel(runId).catch((error) => this.#announcer.say(error.message));
  }

  /** Stop the run that is at work; what it has said stays. */
  async stop() {
    const run = this.#conversation.busyRun;
    if (run) await this.#cancel(run.id);
    else this.#stopAsked = this.#sending > 0;
  }

  async #cancel(runId) {
    try {
      await this.#api.json("POST", `/threads/${this.#threadId}/runs/${runId}/cancel`, {});
    } catch (error) {
      if (error.status !== 400) throw error; // it had ended before
    }
    this.#read(runId);
  }

  /** What failed is said again, as a new message; what was only lost is read on. */
  async #retry(ending) {
    if (ending.status === "lost") {
      this.#conversation.find(ending.runId);
      return this.#read(ending.runId);
    }
    const said = this.#conversation.saidBefore(ending);
    const content = said.parts.map((part) => part.text ?? "").join("\n\n");
    const attachments = said.attachments.map(({ file_id, tools }) => ({ file_id, tools: tools ?? [] }));
    return this.send(content, attachments).catch((error) => {
      this.#conversation.change(ending, { message: error.message, again: true, past: false });
    });
  }

  // -- actions ----------------------------------------------------------------------------------------------

  async #submit(runId, toolCallOutputs) {
    try {
      const response = await this.#post(`/threads/${this.#threadId}/actions`, { runId, toolCallOutputs });
      if (this.#left) return void response.body.cancel();
      this.#read(runId, response);
      this.#tabs.tell(this.#threadId);
    } catch (error) {
      if (error.status === 400) this.#look(); // answered elsewhere, or expired
      throw error;
    }
  }

  #giveUp(call) {
    this.#cancel(call.runId).catch((error) => this.#conversation.changeQuestion(call, { error: error.message }));
  }

  // -- runs -------------------------------------------------------------------------------------------------

  #read(runId, response) {
    this.#history.skipSteps(runId);
    return this.#reader.read(this.#threadId, runId, { response, after: this.#conversation.lastSeq(runId) });
  }

  #take(runId, event) {
    this.#log.activity.note();
    if (event.event === "thread.title.updated") this.#tell("title", { id: event.data.id, title: event.data.title });
    this.#conversation.apply(runId, event);
    this.#tellBusy();
  }

  #ended(runId) {
    const { status } = this.#conversation.runs.get(runId) ?? {};
    if (SAID[status]) this.#announcer.say(SAID[status]);
    if (status === "requires_action") this.#actions.callTools(this.#threadId, runId);
    this.#tell("activity");
    this.#tellBusy();
  }

  #lost(runId, error) {
    this.#conversation.lose(runId, error.message);
    this.#tellBusy();
  }
}
