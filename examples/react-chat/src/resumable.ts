/** A stream that reconnects after a broken connection and continues after the last received event. */
import { followRun } from "./api";

const ENDED = /^\{"event":"thread\.run\.(completed|incomplete|failed|cancelled|expired|requires_action)"/;
const TRIES = 10;
const PAUSE_MS = 1000;

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter(Boolean); // an empty line is a heartbeat
  }
}

/** Yields complete lines of a response and of its replacements, up to the event that ends the run. */
async function* linesToTheEnd(response: Response, signal: AbortSignal): AsyncGenerator<string> {
  const threadId = response.headers.get("X-Thread-Id") ?? "";
  const runId = response.headers.get("X-Run-Id") ?? "";
  let seen = 0;
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      for await (const line of linesOf(response.body!)) {
        seen = JSON.parse(line).seq;
        tries = 0;
        yield line;
        if (ENDED.test(line)) return;
      }
    } catch {
      // the connection broke
    }
    signal.throwIfAborted();
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    response = await followRun(threadId, runId, seen).catch(() => new Response(""));
  }
  throw new Error("The connection to the answer was lost. Reload the page to see the result.");
}

/** Returns the body of a stream's response, for `AssistantStream.fromReadableStream`. */
export function resumable(response: Response, signal: AbortSignal): ReadableStream<Uint8Array> {
  const lines = linesToTheEnd(response, signal);
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await lines.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value + "\n"));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
}
