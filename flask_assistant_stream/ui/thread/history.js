/** What the server has of a thread: messages page by page, its newest run, the steps of runs that come into view. */

const PAGE = 30;
const STEPS_PAGE = 100;
const STEPS_AT_ONCE = 2;

export class History {
  #api;
  #threadId;
  #conversation;
  #signal;
  #asked = new Set(); // runs whose steps are there, come, or come with their events
  #waiting = [];
  #loading = 0;

  /**
   * @param {import("../api.js").Api} api
   * @param {string} threadId
   * @param {import("./conversation.js").Conversation} conversation what is loaded goes here.
   * @param {AbortSignal} signal once it is aborted nothing is added any more.
   */
  constructor(api, threadId, conversation, signal) {
    this.#api = api;
    this.#threadId = threadId;
    this.#conversation = conversation;
    this.#signal = signal;
  }

  /** Add the newest messages that are not there; says whether there are older ones than those of the page. */
  async newest() {
    const { data, has_more: more } = await this.#messages();
    if (this.#signal.aborted) return false;
    const newest = this.#conversation.messageId("newest");
    const joins = !newest || !more || data.some((message) => message.id === newest);
    if (!joins) this.#conversation.clear(); // too much was said meanwhile: begin again
    this.#conversation.addHistory(data.reverse());
    return more && (!newest || !joins);
  }

  /** Add a page before the oldest message; says whether there are more. */
  async older() {
    const { data, has_more: more } = await this.#messages(`&after=${this.#conversation.messageId("oldest")}`);
    if (!this.#signal.aborted) this.#conversation.addHistory(data.reverse(), { older: true });
    return more;
  }

  #messages(query = "") {
    return this.#api.json("GET", `/threads/${this.#threadId}/messages?limit=${PAGE}${query}`);
  }

  /** Return the thread's newest run, or undefined. */
  async newestRun() {
    const { data } = await this.#api.json("GET", `/v1/threads/${this.#threadId}/runs?limit=1`);
    return data[0];
  }

  /** Add all of a run whose events are not there any more. */
  async runWithoutEvents(runId) {
    const run = await this.#api.json("GET", `/v1/threads/${this.#threadId}/runs/${runId}`);
    await this.newest();
    await this.#addSteps(runId);
    if (!this.#signal.aborted) this.#conversation.setRun(run);
  }

  /** Note that the events of a run are read: its steps come with them. */
  skipSteps(runId) {
    this.#asked.add(runId);
  }

  /** Have the steps of a run added, unless they are or will be. */
  wantSteps(runId) {
    if (this.#asked.has(runId)) return;
    this.#asked.add(runId);
    this.#waiting.push(runId);
    this.#loadSteps();
  }

  async #loadSteps() {
    if (this.#loading >= STEPS_AT_ONCE || !this.#waiting.length) return;
    this.#loading += 1;
    const runId = this.#waiting.pop(); // what came into view last is looked at
    await this.#addSteps(runId).catch(() => {}); // tool rows are an extra; the messages are there
    this.#loading -= 1;
    this.#loadSteps();
  }

  async #addSteps(runId) {
    const steps = [];
    for (let after = "", more = true; more; after = `&after=${steps.at(-1)?.id}`) {
      const path = `/v1/threads/${this.#threadId}/runs/${runId}/steps?order=asc&limit=${STEPS_PAGE}${after}`;
      const page = await this.#api.json("GET", path);
      steps.push(...page.data);
      more = page.has_more;
    }
    if (!this.#signal.aborted) this.#conversation.addSteps(runId, steps);
  }
}
