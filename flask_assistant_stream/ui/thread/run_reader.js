/** Reads the events of a thread's runs; never reads the same run twice at once. */

import { path, withQuery } from "../paths.js";
import { StreamGone, follow, pause } from "./stream.js";

export class RunReader {
  #api;
  #signal;
  #on;
  #reading = new Set();
  #impatient = new EventTarget();

  /**
   * @param {import("../api.js").Api} api
   * @param {AbortSignal} signal ends all reading.
   * @param {object} on
   * @param {(runId: string, event: object) => void} on.event
   * @param {(runId: string) => void} on.end the stream ended: the run ended, or it waits for an answer.
   * @param {(runId: string) => Promise<void>} on.gone the events are no longer stored.
   * @param {(runId: string, error: Error) => void} on.lost all retries failed.
   * @param {(connected: boolean) => void} on.connection
   */
  constructor(api, signal, on) {
    this.#api = api;
    this.#signal = signal;
    this.#on = on;
  }

  /** Reconnect broken streams now, without the rest of their pause. */
  reconnect() {
    this.#impatient.dispatchEvent(new Event("online"));
  }

  reads(runId) {
    return this.#reading.has(runId);
  }

  /** Read a run from an open response, or after the event number `after`. */
  async read(threadId, runId, { response, after = 0 } = {}) {
    if (this.reads(runId)) return;
    this.#reading.add(runId);
    try {
      await this.#follow(threadId, runId, response, after);
      this.#reading.delete(runId);
      if (!this.#signal.aborted) this.#on.end(runId);
    } catch (error) {
      this.#reading.delete(runId);
      if (!this.#signal.aborted) await this.#failed(runId, error);
    }
  }

  async #follow(threadId, runId, response, after) {
    const signal = this.#signal;
    const address = path`/threads/${threadId}/runs/${runId}/stream`;
    const resume = (seen) => this.#api.stream(withQuery(address, { after: seen }), undefined, { signal });
    const wait = (milliseconds) => pause(milliseconds, signal, this.#impatient);
    const events = follow({ response, after, resume, signal, onConnection: this.#on.connection, wait });
    for await (const event of events) {
      if (signal.aborted) return;
      this.#on.event(runId, event);
    }
  }

  async #failed(runId, error) {
    try {
      if (!(error instanceof StreamGone)) throw error;
      await this.#on.gone(runId);
    } catch (cause) {
      this.#on.lost(runId, cause);
    }
  }
}
