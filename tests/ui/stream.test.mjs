/** Streams of runs over connections that break. */
import assert from "node:assert/strict";
import test from "node:test";

import { StreamGone, StreamLost, begin, events, follow, newKey, pause } from "../../flask_assistant_stream/ui/thread/stream.js";

const END = "thread.run.completed";
const line = (seq, event = "thread.message.delta") => `${JSON.stringify({ event, data: { id: "x" }, seq })}\n`;
const wait = async () => {};

/** Return a response with these pieces as its body; with `broken` it fails after them. */
function response(pieces, { broken = false } = {}) {
  const left = pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece));
  const body = new ReadableStream({
    pull(controller) {
      if (left.length) controller.enqueue(left.shift());
      else if (broken) controller.error(new TypeError("network error"));
      else controller.close();
    },
  });
  return new Response(body);
}

const rejection = (status) => Object.assign(new Error(`status ${status}`), { status });

/** Follow a run with these resumed streams in turn; an Error among them is thrown. */
async function followed(first, ...resumed) {
  const [seqs, positions] = [[], []];
  const resume = async (after) => {
    positions.push(after);
    const next = resumed.shift();
    if (!next || next instanceof Error) throw next ?? rejection(0);
    return next;
  };
  let error = null;
  try {
    for await (const event of follow({ response: first, resume, wait })) seqs.push(event.seq);
  } catch (thrown) {
    error = thrown;
  }
  return { seqs, positions, error };
}

async function read(pieces) {
  const all = [];
  for await (const event of events(response(pieces).body)) all.push(event);
  return all;
}

test("lines are joined wherever the bytes are cut; heartbeats are skipped", async () => {
  const bytes = new TextEncoder().encode(
    `\n${line(1)}\n\n${JSON.stringify({ event: "e", data: "Łódź 🌞", seq: 2 })}\n`,
  );
  const received = await read(Array.from(bytes, (byte) => new Uint8Array([byte])));
  assert.deepEqual(
    received.map(({ seq }) => seq),
    [1, 2],
  );
  assert.equal(received[1].data, "Łódź 🌞");
});

test("an incomplete line is dropped", async () => {
  assert.deepEqual(
    (await read([line(1), line(2).slice(0, 20)])).map(({ seq }) => seq),
    [1],
  );
});

test("a complete stream is not resumed", async () => {
  const { seqs, positions, error } = await followed(response([line(1), line(2, END)]));
  assert.deepEqual([seqs, positions, error], [[1, 2], [], null]);
});

test("a broken connection resumes after the last number", async () => {
  const first = response([line(1), line(2)], { broken: true });
  const { seqs, positions } = await followed(first, response([line(3), line(4, END)]));
  assert.deepEqual([seqs, positions], [[1, 2, 3, 4], [2]]);
});

test("a stream without an ending event is resumed, and repeated events are skipped", async () => {
  const { seqs, positions } = await followed(response([line(1), line(2)]), response([line(2), line(3, END)]));
  assert.deepEqual([seqs, positions], [[1, 2, 3], [2]]);
});

test("an error after the ending event is ignored", async () => {
  const { seqs, positions, error } = await followed(response([line(1, END)], { broken: true }));
  assert.deepEqual([seqs, positions, error], [[1], [], null]);
});

test("an answered required action is not the end", async () => {
  const { seqs } = await followed(response([line(1, "thread.run.requires_action"), line(2), line(3, END)]));
  assert.deepEqual(seqs, [1, 2, 3]);
});

test("two empty streams end the reading", async () => {
  const { seqs, positions, error } = await followed(undefined, response([]), response([]));
  assert.deepEqual([seqs, positions, error], [[], [0, 0], null]);
});

test("an unreachable server is retried", async () => {
  const { seqs, error } = await followed(response([line(1)]), rejection(0), rejection(503), response([line(2, END)]));
  assert.deepEqual([seqs, error], [[1, 2], null]);
});

test("a rate limit does not end a running answer", async () => {
  const { seqs, error } = await followed(response([line(1)]), rejection(429), response([line(2, END)]));
  assert.deepEqual([seqs, error], [[1, 2], null]);
});

test("a rate limit of a new message is reported at once", async () => {
  const send = async () => {
    throw rejection(429);
  };
  await assert.rejects(begin(send, { wait: () => assert.fail("waited") }), { status: 429 });
});

test("retries end if the server stays unreachable", async () => {
  const { seqs, positions, error } = await followed(response([line(1)]));
  assert.ok(error instanceof StreamLost);
  assert.deepEqual(seqs, [1]);
  assert.ok(positions.length > 3 && positions.length < 20);
});

for (const status of [404, 410]) {
  test(`deleted events are not requested again: ${status}`, async () => {
    const { positions, error } = await followed(response([line(1)]), rejection(status));
    assert.ok(error instanceof StreamGone);
    assert.equal(positions.length, 1);
  });
}

test("a rejection is thrown unchanged", async () => {
  assert.equal((await followed(undefined, rejection(401))).error.status, 401);
});

test("an abort ends the reading", async () => {
  const closing = new AbortController();
  const endless = new Response(
    new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(line(1))) }),
  );
  const read = async () => {
    for await (const _ of follow({
      response: endless,
      resume: async () => assert.fail(),
      signal: closing.signal,
      wait,
    }))
      closing.abort();
  };
  await assert.rejects(read, { name: "AbortError" });
});

test("a lost and restored connection is reported", async () => {
  const states = [];
  const resumed = [rejection(0), response([line(2, END)])];
  const resume = async () => {
    const next = resumed.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const options = { response: response([line(1)]), resume, wait, onConnection: (connected) => states.push(connected) };
  for await (const _ of follow(options));
  assert.deepEqual(states, [true, false, false, true]);
});

test("a request whose response was lost is sent again with the same key", async () => {
  const keys = [];
  const send = async (key) => {
    keys.push(key);
    if (keys.length < 3) throw rejection(keys.length === 1 ? 0 : 503);
    return "taken";
  };
  assert.equal(await begin(send, { wait }), "taken");
  assert.equal(new Set(keys).size, 1);
});

test("a rejected request is not sent again", async () => {
  let sent = 0;
  const send = async () => {
    sent += 1;
    throw rejection(400);
  };
  await assert.rejects(begin(send, { wait }), { status: 400 });
  assert.equal(sent, 1);
});

test("keys are unique without TLS", (context) => {
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  context.after(() => delete crypto.randomUUID);
  const keys = [newKey(), newKey()];
  assert.notEqual(keys[0], keys[1]);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
});

test("an impatient user ends a pause", async () => {
  const impatient = new EventTarget();
  const over = pause(2 ** 30, undefined, impatient);
  impatient.dispatchEvent(new Event("online"));
  await over;
});
