/** Loads a thread from the server: messages page by page, the newest run, and the steps of runs in view. */

import { path, withQuery } from "../paths.js";

const PAGE = 30;
const RUNS_PAGE = 20;
const STEPS_PAGE = 100;
const STEPS_AT_ONCE = 2;

export class History {
  #api;
  #threadId;
  #conversation;
  #signal;
  #runs = []; // newest first
  #moreRuns = true;
  #requested = new Set(); // runs whose steps are loaded, loading, or arrive with their events
  #waiting = [];
  #loading = 0;

  /**
   * @param {import("../api.js").Api} api
   * @param {string} threadId
   * @param {import("./conversation.js").Conversation} conversation receives the loaded objects.
   * @param {AbortSignal} signal after an abort nothing is added.
   */
  constructor(api, threadId, conversation, signal) {
    this.#api = api;
    this.#threadId = threadId;
    this.#conversation = conversation;
    this.#signal = signal;
  }

  /** Add the newest missing messages. Return true if the thread has older messages than the loaded page. */
  async newest() {
    const { data, has_more: more } = await this.#messages();
    if (this.#signal.aborted) return false;
    const newest = this.#conversation.messageId("newest");
    const joins = !newest || !more || data.some((message) => message.id === newest);
    if (!joins) this.#conversation.clear(); // a gap larger than a page: start over
    this.#conversation.addHistory(data.reverse());
    return more && (!newest || !joins);
  }

  /** Add a page before the oldest message. Return true if more pages exist. */
  async older() {
    const { data, has_more: more } = await this.#messages(this.#conversation.messageId("oldest"));
    if (!this.#signal.aborted) this.#conversation.addHistory(data.reverse(), { older: true });
    await this.endings();
    return more;
  }

  /** Add the endings of the runs of all loaded messages. Return the newest run as it was loaded, or undefined. */
  async endings() {
    while (this.#moreRuns && !(this.#runs.at(-1)?.created_at < this.#conversation.oldestCreated)) await this.moreRuns();
    if (!this.#signal.aborted) this.#conversation.addEndings(this.#runs);
    return this.#runs[0];
  }

  /** Load a page of runs. */
  async moreRuns() {
    const page = await this.#api.json("GET", this.#runsPage(RUNS_PAGE, this.#runs.at(-1)?.id));
    this.#runs.push(...page.data);
    this.#moreRuns = page.has_more;
  }

  #runsPage(limit, after) {
    return withQuery(path`/v1/threads/${this.#threadId}/runs`, { limit, after });
  }

  #messages(after) {
    return this.#api.json("GET", withQuery(path`/threads/${this.#threadId}/messages`, { limit: PAGE, after }));
  }

  async newestRun() {
    const { data } = await this.#api.json("GET", this.#runsPage(1));
    return data[0];
  }

  /** Add the messages and steps of a run whose events are no longer stored. */
  async runWithoutEvents(runId) {
    const run = await this.#api.json("GET", path`/v1/threads/${this.#threadId}/runs/${runId}`);
    await this.newest();
    await this.#addSteps(runId);
    if (!this.#signal.aborted) this.#conversation.setRun(run);
  }

  /** Do not load the steps of a run, because its events include them. */
  skipSteps(runId) {
    this.#requested.add(runId);
  }

  /** Load the steps of a run, unless they are already requested. */
  wantSteps(runId) {
    if (this.#requested.has(runId)) return;
    this.#requested.add(runId);
    this.#waiting.push(runId);
    this.#loadSteps();
  }

  async #loadSteps() {
    if (this.#loading >= STEPS_AT_ONCE || !this.#waiting.length) return;
    this.#loading += 1;
    const runId = this.#waiting.pop(); // newest first: the reader sees these now
    await this.#addSteps(runId).catch(() => {}); // the messages are readable without tool rows
    this.#loading -= 1;
    this.#loadSteps();
  }

  async #addSteps(runId) {
    const steps = [];
    const address = path`/v1/threads/${this.#threadId}/runs/${runId}/steps`;
    for (let more = true; more; ) {
      const after = steps.at(-1)?.id;
      const page = await this.#api.json("GET", withQuery(address, { order: "asc", limit: STEPS_PAGE, after }));
      steps.push(...page.data);
      more = page.has_more;
    }
    if (!this.#signal.aborted) this.#conversation.addSteps(runId, steps);
  }
}
