// What the quickstart's own API routes ask of `/v1`, over openai 4.46.0, which it pins; its page reads their answers.
//
//   node quickstart_routes.mjs BASE_URL API_KEY
// Prints what it saw as one JSON object; `sent` holds method, path, and the headers that are of interest.
import { AssistantStream } from 'openai-4.46.0/lib/AssistantStream';
import OpenAI, { toFile } from 'openai-4.46.0';
import { refusal } from './client.mjs';

const [baseURL, apiKey] = process.argv.slice(2);
const sent = [];

function noting(url, init) {
  const headers = new Headers(init.headers);
  const path = new URL(url).pathname.split('/v1')[1];
  const body = init.body === undefined || init.body === null ? null : String(init.body);
  const [type, beta] = ['content-type', 'openai-beta'].map((name) => headers.get(name));
  sent.push({ method: init.method.toUpperCase(), path, type, beta, body });
  return fetch(url, init);
}

const openai = new OpenAI({ baseURL, apiKey, fetch: noting });
const uploads = new OpenAI({ baseURL, apiKey }); // a form goes out over the fetch that the client brings along
const { assistants, threads, vectorStores } = openai.beta;

const seen = {};
const assistant = await assistants.create({
  model: 'a-model',
  instructions: 'Be brief.',
  tools: [
    { type: 'code_interpreter' },
    { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } },
    { type: 'file_search' },
  ],
});

// The assistant's vector store; the first request for it makes one and notes it on the assistant.
async function vectorStore() {
  const { tool_resources } = await assistants.retrieve(assistant.id);
  const known = tool_resources?.file_search?.vector_store_ids ?? [];
  if (known.length) return known[0];
  const made = await vectorStores.create({ name: 'of-the-quickstart' });
  await assistants.update(assistant.id, { tool_resources: { file_search: { vector_store_ids: [made.id] } } });
  return made.id;
}

async function listFiles() {
  const store = await vectorStore();
  const { data } = await vectorStores.files.list(store);
  return Promise.all(
    data.map(async ({ id }) => {
      const [file, indexed] = await Promise.all([openai.files.retrieve(id), vectorStores.files.retrieve(store, id)]);
      return { file_id: id, filename: file.filename, status: indexed.status };
    }),
  );
}

async function upload(name, content) {
  const store = await vectorStore();
  const file = await uploads.files.create({ file: await toFile(Buffer.from(content), name), purpose: 'assistants' });
  await vectorStores.files.create(store, { file_id: file.id });
  return file.id;
}

seen.stores = [await vectorStore(), await vectorStore()];
seen.empty = await listFiles();
const ids = [await upload('one.txt', 'The sky is green.'), await upload('two.txt', 'The grass is blue.')];
while ((await listFiles()).some(({ status }) => status === 'in_progress')) await new Promise((r) => setTimeout(r, 50));
const before = sent.length;
seen.polled = await listFiles();
seen.calls = sent.slice(before).map(({ method, path }) => `${method} ${path}`);
for (let i = 0; i < 20; i += 1) await listFiles();
const [file, content] = await Promise.all([openai.files.retrieve(ids[0]), openai.files.content(ids[0])]);
seen.download = [file.filename, await content.text()];
await vectorStores.files.del(seen.stores[0], ids[0]);
seen.left = (await listFiles()).map(({ filename }) => filename);

// What the page makes of a route's answer.
async function page(stream) {
  const reader = AssistantStream.fromReadableStream(new Response(stream.toReadableStream()).body);
  const told = { text: '', names: [], error: null };
  reader.on('textDelta', ({ value }) => (told.text += value ?? ''));
  reader.on('event', ({ event }) => told.names.push(event));
  const run = await reader.finalRun().catch((error) => void (told.error = error.message));
  return { ...told, run };
}

const { id: thread } = await threads.create();
async function ask(text, assistant_id = assistant.id) {
  await threads.messages.create(thread, { role: 'user', content: text });
  return page(threads.runs.stream(thread, { assistant_id }));
}

seen.said = await ask('@@script:text?say=Hello.@@');
const { run, ...called } = await ask('@@script:call@@');
const tool_outputs = run.required_action.submit_tool_outputs.tool_calls.map(({ id }) => ({ tool_call_id: id }));
seen.called = { ...called, status: run.status };
seen.answered = await page(threads.runs.submitToolOutputsStream(thread, run.id, { tool_outputs }));
seen.failed = await ask('@@script:fail?after=0@@');

const tried = sent.length;
seen.refused = await refusal(threads.runs.stream(thread, { assistant_id: assistant.id, max_prompt_tokens: -1 }).done());
seen.tries = sent.slice(tried).map(({ method, path }) => `${method} ${path.replace(thread, 'thread')}`);
seen.sent = sent;
console.log(JSON.stringify(seen));
