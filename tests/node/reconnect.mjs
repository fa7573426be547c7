// Reads answers over connections that break after every event, and mends them as the documentation says.
//
//   node reconnect.mjs ORIGIN RESUMABLE.mjs CONTENT VERSION …
// RESUMABLE.mjs is the module of docs/http.md. Prints, for each version of openai-node, `{text, status, error,
// body, connections}`: what AssistantStream made of the answer, and the bytes that it was given.
import { pathToFileURL } from 'node:url';

const [origin, module, content, ...versions] = process.argv.slice(2);
const { resumable } = await import(pathToFileURL(module));
const connect = globalThis.fetch;
const later = globalThis.setTimeout;
let connections = 0;

// A page waits a second before it comes back; here nobody has to.
globalThis.setTimeout = (call, delay, ...rest) => later(call, delay === 1000 ? 1 : delay, ...rest);

// Passes one event and half of the next one on, then breaks: with an error, or as if the answer had ended there.
globalThis.fetch = async (path, init) => {
  const leaving = new AbortController();
  const response = await connect(new URL(path, origin), { ...init, signal: leaving.signal });
  const clean = (connections += 1) % 2;
  const reader = response.body.getReader();
  let given = false;
  const pull = async (controller) => {
    let read = new Uint8Array();
    while (!given) {
      const { value, done } = await reader.read();
      if (done) return controller.close();
      read = Buffer.concat([read, value]);
      const end = read.indexOf('}\n') + 2;
      if (end < 2) continue;
      given = true;
      const half = clean ? Math.max(0, read.indexOf('}\n', end) - end) / 2 : 0;
      return controller.enqueue(new Uint8Array(read.subarray(0, end + half)));
    }
    leaving.abort();
    return clean ? controller.close() : controller.error(new TypeError('terminated'));
  };
  const body = new ReadableStream({ pull, cancel: () => leaving.abort() }, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
};

const told = {};
for (const version of versions) {
  connections = 0;
  const { AssistantStream } = await import(`openai-${version}/lib/AssistantStream`);
  const response = await fetch('/api/assistants/chat/stream', { method: 'POST', body: JSON.stringify({ content }) });
  const [read, kept] = resumable(response).tee();
  const stream = AssistantStream.fromReadableStream(read);
  const found = { text: '', status: null, error: null };
  stream.on('textDelta', (delta) => (found.text += delta.value ?? ''));
  try {
    found.status = (await stream.finalRun()).status;
  } catch (error) {
    found.error = String(error);
  }
  told[version] = { ...found, body: await new Response(kept).text(), connections };
}
console.log(JSON.stringify(told));
