/** The thread that is open in the page: its history, its active run, and the user's messages and answers. */

import { invalidResponse } from "../errors.js";
import { Log } from "../log/log.js";
import { isId, path } from "../paths.js";
import { Actions } from "./actions.js";
import { Conversation } from "./conversation.js";
import { hasEnded } from "./entries.js";
import { History } from "./history.js";
import { OtherTabs } from "./other_tabs.js";
import { own } from "./page_tools.js";
import { RunReader } from "./run_reader.js";
import { begin } from "./stream.js";

const ANNOUNCEMENTS = {
  completed: "Answer complete",
  cancelled: "Answer stopped",
  requires_action: "The assistant is waiting for you",
};

/**
 * Events: "thread" `{id}` when a new thread gets its id, "title" `{id, title}`, "busy" when `busy` changes, and
 * "activity" when the thread is used.
 */
export class OpenThread extends EventTarget {
  #api;
  #announcer;
  #threadId = null;
  #closing = new AbortController();
  #conversation = new Conversation();
  #log;
  #tabs;
  #reader;
  #actions;
  /** @type {?History} */
  #history = null;
  #sending = 0;
  #stopRequested = false;
  #wasBusy = false;
  #refreshing = null;
  #loadingOlder = null;

  /**
   * @param {object} parts
   * @param {import("../api.js").Api} parts.api
   * @param {import("../elements/announcer.js").Announcer} parts.announcer
   * @param {HTMLElement} parts.log becomes the log; it scrolls.
   * @param {Object<string, Function>} [parts.tools] functions in the page that runs may call, see page_tools.js.
   */
  constructor({ api, announcer, log, tools = {} }) {
    super();
    const { signal } = this.#closing;
    this.#api = api;
    this.#announcer = announcer;
    this.#actions = new Actions(this.#conversation, tools, signal, (...answer) => this.#submit(...answer));
    this.#reader = new RunReader(api, signal, {
      event: (runId, event) => this.#apply(runId, event),
      end: (runId) => this.#ended(runId),
      gone: (runId) => this.#history.runWithoutEvents(runId).then(() => this.#emitBusy()),
      lost: (runId, error) => this.#lost(runId, error),
      connection: (connected) => this.#setConnected(connected),
    });
    this.#log = new Log(log, this.#conversation, {
      api,
      onRetry: (ending) => this.#retry(ending),
      onAnswer: (call, output) => this.#actions.answer(call, output),
      onCancel: (call) => this.#cancelCall(call),
      onOlder: () => this.#loadOlder(),
      onReconnect: () => this.#reader.reconnect(),
      onRunInView: (runId) => this.#history?.wantSteps(runId),
    });
    this.#tabs = new OtherTabs(`assistant-chat:${api.url("")}`, (threadId) => this.#onNews(threadId));
  }

  /** The thread id, or null before the first message. */
  get threadId() {
    return this.#threadId;
  }

  /** True if a run is queued or active. A run that waits for an answer does not count. */
  get busy() {
    return Boolean(this.#conversation.busyRun) || this.#sending > 0;
  }

  /** Open a thread, null for a new one, and show its newest messages and active run. Call it once per object. */
  async open(threadId) {
    if (!threadId) return;
    this.#setThread(threadId);
    const [more] = await Promise.all([this.#history.newest(), this.#history.moreRuns()]);
    const run = await this.#history.endings();
    if (this.#closed) return;
    this.#log.setOlder(more);
    if (run) this.#show(run);
  }

  /** Close the thread; its runs continue on the server. */
  close() {
    this.#closing.abort(new DOMException("The thread was closed.", "AbortError"));
    this.#tabs.close();
    this.#log.close();
  }

  get #closed() {
    return this.#closing.signal.aborted;
  }

  #setThread(threadId) {
    this.#threadId = threadId;
    this.#history = new History(this.#api, threadId, this.#conversation, this.#closing.signal);
  }

  #emit(name, detail = { id: this.#threadId }) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #emitBusy() {
    if (this.busy === this.#wasBusy) return;
    this.#wasBusy = this.busy;
    this.#emit("busy");
  }

  #setConnected(connected) {
    this.#log.activity.note(connected);
    this.#log.changed();
  }

  // -- history ----------------------------------------------------------------------------------------------

  /** Read an unfinished run; show the ending of a finished one. */
  #show(run) {
    if (hasEnded(run)) this.#conversation.setRun(run);
    else this.#read(run.id);
  }

  #loadOlder() {
    this.#loadingOlder ??= this.#history
      .older()
      .then((more) => this.#closed || this.#log.setOlder(more))
      .catch((error) => this.#announcer.say(error.message)) // the button stays
      .finally(() => (this.#loadingOlder = null));
  }

  /** Handle a thread that another tab changed; null means that the user returned to this tab. */
  #onNews(threadId) {
    if (!this.#threadId || (threadId && threadId !== this.#threadId)) return;
    if (threadId) this.#emit("activity");
    this.#refresh();
  }

  #refresh() {
    this.#refreshing ??= this.#readNewRun()
      .catch(() => {}) // the next refresh tries again
      .finally(() => (this.#refreshing = null));
  }

  async #readNewRun() {
    const run = await this.#history.newestRun();
    if (this.#closed || !run || this.#sending || this.#reader.reads(run.id)) return;
    const known = this.#conversation.runs.get(run.id);
    if (known?.status === run.status) return;
    if (known) return void this.#read(run.id);
    const [more] = await Promise.all([this.#history.newest(), this.#history.moreRuns()]);
    if (this.#closed) return;
    if (more) this.#log.setOlder(true);
    this.#readWaiting();
    this.#show(run);
  }

  /** Read the ending of waiting runs; a new run cancels them. */
  #readWaiting() {
    for (const run of this.#conversation.waitingRuns) this.#read(run.id);
  }

  // -- sending ----------------------------------------------------------------------------------------------

  /**
   * Send a message; resolves when it is stored.
   *
   * @param {string} content
   * @param {object[]} [attachments]
   * @throws {import("../api.js").ApiError} it was not stored; the log does not show it.
   */
  async send(content, attachments = []) {
    const draft = this.#conversation.addDraft(content, attachments);
    this.#log.toEnd();
    this.#stopRequested = false;
    this.#changeSending(1);
    try {
      const address = this.#threadId ? path`/threads/${this.#threadId}/messages` : "/chat/stream";
      const response = await this.#post(address, { content, attachments });
      if (this.#closed) response.body.cancel();
      else this.#accept(draft, response);
    } catch (error) {
      this.#conversation.remove(draft);
      throw error;
    } finally {
      this.#changeSending(-1);
    }
  }

  #changeSending(by) {
    this.#sending += by;
    if (!this.#closed) this.#emitBusy();
  }

  #post(path, body) {
    return begin((idempotencyKey) => this.#api.stream(path, body, { idempotencyKey }));
  }

  #accept(draft, response) {
    const [runId, threadId] = [response.headers.get("X-Run-Id"), response.headers.get("X-Thread-Id")];
    if (!isId(runId) || !isId(threadId)) throw invalidResponse(response);
    const isNew = !this.#threadId;
    if (isNew) this.#setThread(threadId);
    own(runId);
    this.#conversation.accept(draft, runId);
    this.#readWaiting();
    if (isNew) this.#emit("thread");
    this.#followNew(runId, response);
  }

  #followNew(runId, response) {
    this.#read(runId, response);
    this.#emit("activity");
    this.#tabs.notify(this.#threadId);
    if (this.#stopRequested) this.#cancel(runId).catch((error) => this.#announcer.say(error.message));
  }

  /** Stop the active run; its text stays. */
  async stop() {
    const run = this.#conversation.busyRun;
    if (run) await this.#cancel(run.id);
    else this.#stopRequested = this.#sending > 0;
  }

  async #cancel(runId) {
    try {
      await this.#api.json("POST", path`/threads/${this.#threadId}/runs/${runId}/cancel`, {});
    } catch (error) {
      if (error.status !== 400) throw error; // the run had already ended
    }
    this.#read(runId);
  }

  /** Resume a lost run; in place of a failed one, start another on the same messages. */
  async #retry(ending) {
    if (ending.status === "lost") {
      this.#conversation.clearLost(ending.runId);
      return this.#read(ending.runId);
    }
    this.#conversation.retireEndings();
    this.#stopRequested = false;
    this.#changeSending(1);
    try {
      this.#begun(await this.#runAgain(this.#conversation.runs.get(ending.runId)));
    } catch (error) {
      this.#conversation.change(ending, { message: error.message, again: error.passing, past: false });
    } finally {
      this.#changeSending(-1);
    }
  }

  #runAgain({ assistant_id }) {
    const address = path`/v1/threads/${this.#threadId}/runs`;
    return begin((idempotencyKey) => this.#api.json("POST", address, { assistant_id }, { idempotencyKey }));
  }

  #begun(run) {
    if (this.#closed) return;
    own(run.id);
    this.#conversation.setRun(run);
    this.#followNew(run.id);
  }

  // -- actions ----------------------------------------------------------------------------------------------

  async #submit(runId, toolCallOutputs) {
    try {
      const response = await this.#post(path`/threads/${this.#threadId}/actions`, { runId, toolCallOutputs });
      if (this.#closed) return void response.body.cancel();
      this.#read(runId, response);
      this.#tabs.notify(this.#threadId);
    } catch (error) {
      if (error.status === 400) this.#refresh(); // another tab answered, or the run expired
      throw error;
    }
  }

  #cancelCall(call) {
    this.#cancel(call.runId).catch((error) => this.#conversation.changeQuestion(call, { error: error.message }));
  }

  // -- runs -------------------------------------------------------------------------------------------------

  #read(runId, response) {
    this.#history.skipSteps(runId);
    return this.#reader.read(this.#threadId, runId, { response, after: this.#conversation.lastSeq(runId) });
  }

  #apply(runId, event) {
    this.#log.activity.note();
    if (event.event === "thread.title.updated") this.#emit("title", { id: event.data.id, title: event.data.title });
    this.#conversation.apply(runId, event);
    this.#emitBusy();
  }

  #ended(runId) {
    const { status } = this.#conversation.runs.get(runId) ?? {};
    if (ANNOUNCEMENTS[status]) this.#announcer.say(ANNOUNCEMENTS[status]);
    if (status === "requires_action") this.#actions.callTools(this.#threadId, runId);
    this.#emit("activity");
    this.#emitBusy();
  }

  #lost(runId, error) {
    this.#conversation.markLost(runId, error.message);
    this.#emitBusy();
  }
}
