/** Streams of runs as they come over connections that break. */
import assert from "node:assert/strict";
import test from "node:test";

import { StreamGone, StreamLost, begin, events, follow, newKey } from "../../flask_assistant_stream/ui/thread/stream.js";

const END = "thread.run.completed";
const line = (seq, event = "thread.message.delta") => `${JSON.stringify({ event, data: { id: "x" }, seq })}\n`;
const wait = async () => {};

/** A response whose body comes in these pieces, and breaks behind them where `broken`. */
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

const refusal = (status) => Object.assign(new Error(`status ${status}`), { status });

/** Follow a run whose resumed streams are these, one after the other; an error is thrown. */
async function followed(first, ...resumed) {
  const [seqs, asked] = [[], []];
  const resume = async (after) => {
    asked.push(after);
    const next = resumed.shift();
    if (!next || next instanceof Error) throw next ?? refusal(0);
    return next;
  };
  let error = null;
  try {
    for await (const event of follow({ response: first, resume, wait })) seqs.push(event.seq);
  } catch (thrown) {
    error = thrown;
  }
  return { seqs, asked, error };
}

async function read(pieces) {
  const found = [];
  for await (const event of events(response(pieces).body)) found.push(event);
  return found;
}

test("lines are read whole, wherever the bytes are cut; heartbeats are passed over", async () => {
  const bytes = new TextEncoder().encode(
    `\n${line(1)}\n\n${JSON.stringify({ event: "e", data: "Łódź 🌞", seq: 2 })}\n`,
  );
  const found = await read(Array.from(bytes, (byte) => new Uint8Array([byte])));
  assert.deepEqual(
    found.map(({ seq }) => seq),
    [1, 2],
  );
  assert.equal(found[1].data, "Łódź 🌞");
});

test("a line that was cut off is not read", async () => {
  assert.deepEqual(
    (await read([line(1), line(2).slice(0, 20)])).map(({ seq }) => seq),
    [1],
  );
});

test("a stream that ends as it should is not resumed", async () => {
  const { seqs, asked, error } = await followed(response([line(1), line(2, END)]));
  assert.deepEqual([seqs, asked, error], [[1, 2], [], null]);
});

test("a broken connection is gone on with behind the last number", async () => {
  const first = response([line(1), line(2)], { broken: true });
  const { seqs, asked } = await followed(first, response([line(3), line(4, END)]));
  assert.deepEqual([seqs, asked], [[1, 2, 3, 4], [2]]);
});

test("an end without an ending is a broken connection, and what comes twice is passed over", async () => {
  const { seqs, asked } = await followed(response([line(1), line(2)]), response([line(2), line(3, END)]));
  assert.deepEqual([seqs, asked], [[1, 2, 3], [2]]);
});

test("what breaks behind the ending does not matter", async () => {
  const { seqs, asked, error } = await followed(response([line(1, END)], { broken: true }));
  assert.deepEqual([seqs, asked, error], [[1], [], null]);
});

test("a required action that was answered long ago is not the end", async () => {
  const { seqs } = await followed(response([line(1, "thread.run.requires_action"), line(2), line(3, END)]));
  assert.deepEqual(seqs, [1, 2, 3]);
});

test("where nothing follows, twice, there is nothing to wait for", async () => {
  const { seqs, asked, error } = await followed(undefined, response([]), response([]));
  assert.deepEqual([seqs, asked, error], [[], [0, 0], null]);
});

test("a server that is away for a while is asked again", async () => {
  const { seqs, error } = await followed(response([line(1)]), refusal(0), refusal(503), response([line(2, END)]));
  assert.deepEqual([seqs, error], [[1, 2], null]);
});

test("an answer under way is not lost to a rate limit", async () => {
  const { seqs, error } = await followed(response([line(1)]), refusal(429), response([line(2, END)]));
  assert.deepEqual([seqs, error], [[1, 2], null]);
});

test("a message that comes too soon after others is told at once", async () => {
  const send = async () => {
    throw refusal(429);
  };
  await assert.rejects(begin(send, { wait: () => assert.fail("waited") }), { status: 429 });
});

test("a server that stays away is given up", async () => {
  const { seqs, asked, error } = await followed(response([line(1)]));
  assert.ok(error instanceof StreamLost);
  assert.deepEqual(seqs, [1]);
  assert.ok(asked.length > 3 && asked.length < 20);
});

for (const status of [404, 410]) {
  test(`events that are gone are not asked for again: ${status}`, async () => {
    const { asked, error } = await followed(response([line(1)]), refusal(status));
    assert.ok(error instanceof StreamGone);
    assert.equal(asked.length, 1);
  });
}

test("a refusal is told as it is", async () => {
  assert.equal((await followed(undefined, refusal(401))).error.status, 401);
});

test("whoever leaves ends the reading", async () => {
  const leaving = new AbortController();
  const endless = new Response(
    new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode(line(1))) }),
  );
  const read = async () => {
    for await (const _ of follow({
      response: endless,
      resume: async () => assert.fail(),
      signal: leaving.signal,
      wait,
    }))
      leaving.abort();
  };
  await assert.rejects(read, { name: "AbortError" });
});

test("it is told when the connection is lost and found", async () => {
  const told = [];
  const resumed = [refusal(0), response([line(2, END)])];
  const resume = async () => {
    const next = resumed.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const options = { response: response([line(1)]), resume, wait, onConnection: (connected) => told.push(connected) };
  for await (const _ of follow(options));
  assert.deepEqual(told, [true, false, false, true]);
});

test("a request whose answer was lost is sent again with the same key", async () => {
  const keys = [];
  const send = async (key) => {
    keys.push(key);
    if (keys.length < 3) throw refusal(keys.length === 1 ? 0 : 503);
    return "taken";
  };
  assert.equal(await begin(send, { wait }), "taken");
  assert.equal(new Set(keys).size, 1);
});

test("a refused request is not sent again", async () => {
  let sent = 0;
  const send = async () => {
    sent += 1;
    throw refusal(400);
  };
  await assert.rejects(begin(send, { wait }), { status: 400 });
  assert.equal(sent, 1);
});

test("keys are made where the page is not served over TLS, too", (context) => {
  Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true });
  context.after(() => delete crypto.randomUUID);
  const keys = [newKey(), newKey()];
  assert.notEqual(keys[0], keys[1]);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
});
