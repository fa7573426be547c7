/**
 * Reads the NDJSON streams of runs, and resumes them after a broken connection.
 *
 * The protocol is in docs/http.md: every event has a number, a stream that ends without an event of `ENDS` was cut off,
 * and a request with an `Idempotency-Key` may be sent again.
 */

const ENDS = new Set(
  ["completed", "incomplete", "failed", "cancelled", "expired", "requires_action"].map((name) => `thread.run.${name}`),
);
const PAUSES = [300, 1000, 2000, 4000, 8000, 15000, 15000, 15000];
const SILENCE = 90_000; // without even a heartbeat: treat the connection as dead
const WORTH_REPEATING = new Set([0, 502, 503, 504]);
const WORTH_WAITING = new Set([...WORTH_REPEATING, 429]); // streams only; a new message fails at once

/** The run or its events are no longer stored; its messages are in the history. */
export class StreamGone extends Error {}

/** The server was unreachable for all retries. */
export class StreamLost extends Error {}

/** Return a unique key. `crypto.randomUUID` is missing on pages without TLS. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Wait; stop early when the network returns, the page becomes visible, or `impatient` gets the event "online". */
export function pause(milliseconds, signal, impatient) {
  return new Promise((resolve, reject) => {
    const over = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", over);
      impatient?.removeEventListener("online", over);
      globalThis.document?.removeEventListener("visibilitychange", over);
      signal?.removeEventListener("abort", over);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const timer = setTimeout(over, milliseconds);
    globalThis.addEventListener?.("online", over);
    impatient?.addEventListener("online", over);
    globalThis.document?.addEventListener("visibilitychange", over);
    signal?.addEventListener("abort", over);
    if (signal?.aborted) over();
  });
}

/**
 * Send a POST that starts or continues a run. Retries use the same key, so the server runs it once.
 *
 * @param {(key: string) => Promise<Response>} send
 * @returns {Promise<Response>} an open stream; throws the server's rejection.
 */
export async function begin(send, { wait = pause } = {}) {
  const key = newKey();
  for (let tries = 0; ; tries += 1) {
    try {
      return await send(key);
    } catch (error) {
      if (!WORTH_REPEATING.has(error.status ?? 0) || error.name === "AbortError" || tries >= 4) throw error;
      await wait(PAUSES[tries]);
    }
  }
}

/**
 * Yield the events `{event, data, seq}` of a run until it ends or waits for an answer.
 *
 * @param {object} options
 * @param {Response} [options.response] a stream that is already open.
 * @param {number} [options.after] the number of the last event received.
 * @param {(after: number) => Promise<Response>} options.resume opens the stream after a number.
 * @param {(connected: boolean) => void} [options.onConnection] called when the connection opens or breaks.
 */
export async function* follow({ response, after = 0, resume, signal, onConnection = () => {}, wait = pause }) {
  let seen = after;
  let ended = false;
  let empty = 0;
  for (let tries = 0; ; tries += 1) {
    try {
      response ??= await resume(seen);
      empty += 1;
      onConnection(true);
      for await (const event of events(response.body, signal)) {
        tries = empty = 0;
        if (event.seq <= seen) continue;
        seen = event.seq;
        ended = ENDS.has(event.event);
        yield event;
      }
      if (ended || empty > 1) return; // two empty streams: no event follows
    } catch (error) {
      check(error, signal);
      if (ended) return; // the run has ended, so the error does not matter
    }
    response = undefined;
    if (tries >= PAUSES.length) throw new StreamLost("The connection to the server was lost.");
    onConnection(false);
    await wait(PAUSES[tries], signal);
  }
}

function check(error, signal) {
  if (signal?.aborted) throw error;
  if (error.status === 404 || error.status === 410) throw new StreamGone(error.message);
  if (error.status >= 400 && !WORTH_WAITING.has(error.status)) throw error;
}

/** Yield the parsed lines. An empty line is a heartbeat; an incomplete last line is dropped. */
export async function* events(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const leave = () => reader.cancel().catch(() => {});
  signal?.addEventListener("abort", leave);
  try {
    let rest = "";
    for (let read = await readBeforeSilence(reader); !read.done; read = await readBeforeSilence(reader)) {
      const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.trim()) yield JSON.parse(line);
    }
  } finally {
    signal?.removeEventListener("abort", leave);
    leave();
  }
  signal?.throwIfAborted();
}

async function readBeforeSilence(reader) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("The connection timed out.")), SILENCE);
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
  }
}
