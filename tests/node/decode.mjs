// Decodes Assistants streams with `AssistantStream.fromReadableStream` of real openai-node versions.
//
// Reads one JSON request a line from standard input and answers each with one JSON line:
//   {version, payload (base64) | url, body?, headers?, chunk, seconds}
//   -> {run, messages, steps, events, callbacks, deltas, status, contentType, error}
// The bytes are cut again into pieces of `chunk` bytes, so that characters and lines are split where no
// network would split them on this machine. One process serves many requests: loading a client takes 0.3 s.
import { createInterface } from 'node:readline';

const CALLBACKS = [
  'connect', 'run', 'messageCreated', 'messageDelta', 'messageDone', 'runStepCreated', 'runStepDelta', 'runStepDone',
  'toolCallCreated', 'toolCallDelta', 'toolCallDone', 'textCreated', 'textDelta', 'textDone', 'imageFileDone',
  'error', 'abort', 'end',
];

async function* pieces(chunks, size) {
  let rest = new Uint8Array(0);
  for await (const chunk of chunks) {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    let at = 0;
    for (; at + size <= bytes.length; at += size) yield bytes.slice(at, at + size);
    rest = bytes.slice(at);
  }
  if (rest.length) yield rest;
}

function streamOf(iterator) {
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: () => iterator.return(),
  });
}

async function source(request) {
  if (request.url === undefined) return { chunks: [Buffer.from(request.payload, 'base64')] };
  const response = await fetch(request.url, {
    method: request.body === null ? 'GET' : 'POST',
    body: request.body ?? undefined,
    headers: request.headers,
  });
  return { chunks: response.body ?? [], status: response.status, contentType: response.headers.get('content-type') };
}

function deadline(seconds) {
  let timer;
  const expired = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The stream did not end within ${seconds} s`)), seconds * 1000);
  });
  return [expired, () => clearTimeout(timer)];
}

async function decode(request) {
  const { AssistantStream } = await import(`openai-${request.version}/lib/AssistantStream`);
  const { chunks, status, contentType } = await source(request);
  const seen = { run: null, messages: [], steps: [], events: [], callbacks: [], deltas: [], error: null };
  const stream = AssistantStream.fromReadableStream(streamOf(pieces(chunks, request.chunk)));
  for (const name of CALLBACKS) stream.on(name, () => seen.callbacks.push(name));
  stream.on('textDelta', (delta) => seen.deltas.push(delta.value ?? ''));
  stream.on('event', (event) => seen.events.push(JSON.parse(JSON.stringify(event))));
  const [expired, settled] = deadline(request.seconds);
  try {
    seen.run = await Promise.race([stream.finalRun(), expired]);
    seen.messages = await stream.finalMessages();
    seen.steps = await stream.finalRunSteps();
  } catch (error) {
    seen.error = String(error.message);
    stream.abort();
  } finally {
    settled();
  }
  return { ...seen, status: status ?? null, contentType: contentType ?? null };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await decode(JSON.parse(line)).catch((error) => ({ broken: String(error.stack) }));
  process.stdout.write(JSON.stringify(answer) + '\n');
}
