// Goes through the Assistants API with a real openai-node version and prints what it saw as one JSON object.
//
//   node sdk.mjs VERSION BASE_URL API_KEY
import { all, answers, connect, refusal } from './client.mjs';

const [version, baseURL, apiKey] = process.argv.slice(2);
const { AssistantStream, assistants, threads, below, asked, old } = await connect(version, baseURL, apiKey, {
  maxRetries: 0,
});

const remove = (resource) => (resource.del ?? resource.delete).bind(resource);
const removed = (resource, thread, id) =>
  old ? resource.del(thread, id) : resource.delete(id, { thread_id: thread });
const said = (message) => message.content.map((part) => part.text.value).join('');
const watched = async (stream) => {
  const callbacks = [];
  const names = ['textCreated', 'textDelta', 'textDone', 'toolCallCreated', 'toolCallDelta', 'messageDone', 'end'];
  let text = '';
  for (const name of names) stream.on(name, () => callbacks.push(name));
  stream.on('textDelta', (delta) => (text += delta.value ?? ''));
  const run = await stream.finalRun();
  const messages = await stream.finalMessages();
  return { run, messages, text, callbacks: [...new Set(callbacks)] };
};

const seen = {};

seen.assistants = await (async () => {
  const made = await assistants.create({ model: 'm', name: 'N', tools: [{ type: 'file_search' }] });
  const read = await assistants.retrieve(made.id);
  const changed = await assistants.update(made.id, { name: 'M' });
  const listed = await all(assistants.list({ limit: 1 }));
  const deleted = await remove(assistants)(made.id);
  const missing = await refusal(assistants.retrieve(made.id));
  return { made, read, changed, listed: listed.map(({ id }) => id), deleted, missing };
})();

seen.threads = await (async () => {
  const made = await threads.create();
  const changed = await threads.update(made.id, { metadata: { a: 'b' } });
  const content = [{ type: 'text', text: 'see' }, { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }];
  const message = await threads.messages.create(made.id, { role: 'user', content });
  const read = await below(threads.messages, 'retrieve', made.id, message.id);
  const noted = await below(threads.messages, 'update', made.id, message.id, { metadata: { c: 'd' } });
  for (const word of ['one', 'two']) await threads.messages.create(made.id, { role: 'assistant', content: word });
  const listed = await all(threads.messages.list(made.id, { limit: 2, order: 'asc' }));
  const gone = await removed(threads.messages, made.id, message.id);
  const deleted = await remove(threads)(made.id);
  return { made, changed, message, read, noted, listed: listed.map(({ id }) => id), gone, deleted };
})();

seen.polled = await (async () => {
  const thread = await asked('hello');
  const run = await threads.runs.createAndPoll(thread, { assistant_id: 'asst_default' });
  const read = await below(threads.runs, 'retrieve', thread, run.id);
  const changed = await below(threads.runs, 'update', thread, run.id, { metadata: { a: 'b' } });
  const runs = await all(threads.runs.list(thread));
  const steps = await all(below(threads.runs.steps, 'list', thread, run.id, {}));
  const again = await threads.createAndRunPoll({ assistant_id: 'asst_default', thread: { messages: [] } });
  return { run, read, changed, runs: runs.map(({ id }) => id), steps, again };
})();

seen.paged = await (async () => {
  const thread = await asked('hello');
  const made = [];
  for (let n = 0; n < 5; n++) made.push((await threads.runs.createAndPoll(thread, { assistant_id: 'asst_default' })).id);
  const first = await threads.runs.list(thread, { limit: 2, order: 'asc' });
  const pages = [];
  for await (const page of first.iterPages()) pages.push(page.data.map(({ id }) => id));
  const listed = (await all(threads.runs.list(thread, { limit: 2 }))).map(({ id }) => id);
  const second = (await first.getNextPage()).data.map(({ id }) => id);
  const empty = await all(threads.messages.list((await threads.create()).id));
  return { made, pages, listed, second, empty };
})();

seen.headers = await (async () => {
  const { data, response } = await threads.create().withResponse();
  return { object: data.object, request: response.headers.get('x-request-id') };
})();

seen.streamed = await (async () => {
  const thread = await asked('hello');
  const found = await watched(threads.runs.stream(thread, { assistant_id: 'asst_default' }));
  const [stored] = await all(threads.messages.list(thread, { limit: 1 }));
  return { ...found, stored: said(stored), final: said(found.messages[0]) };
})();

seen.made = await watched(
  threads.createAndRunStream({
    assistant_id: 'asst_default',
    thread: { messages: [{ role: 'user', content: 'hello' }] },
  })
);

seen.called = await (async () => {
  const thread = await asked('@@script:two_calls@@');
  const first = await watched(threads.runs.stream(thread, { assistant_id: 'asst_default' }));
  const rest = below(threads.runs, 'submitToolOutputsStream', thread, first.run.id, answers(first.run));
  return { first, second: await watched(rest) };
})();

seen.answered = await (async () => {
  const thread = await asked('@@script:call@@');
  const run = await threads.runs.createAndPoll(thread, { assistant_id: 'asst_default' });
  const wrong = await refusal(below(threads.runs, 'submitToolOutputs', thread, run.id, { tool_outputs: [] }));
  const done = await below(threads.runs, 'submitToolOutputsAndPoll', thread, run.id, answers(run));
  const late = await refusal(below(threads.runs, 'submitToolOutputs', thread, run.id, answers(run)));
  return { run, wrong, done, late };
})();

seen.piped = await (async () => {
  const thread = await asked('hello');
  const stream = threads.runs.stream(thread, { assistant_id: 'asst_default' });
  return watched(AssistantStream.fromReadableStream(stream.toReadableStream()));
})();

seen.aborted = await (async () => {
  const thread = await asked('@@script:stall@@');
  const stream = threads.runs.stream(thread, { assistant_id: 'asst_default' });
  let aborted = false;
  stream.on('abort', () => (aborted = true));
  const created = new Promise((resolve) => stream.on('event', ({ data }) => resolve(data)));
  const { id } = await created;
  stream.abort();
  const failure = await refusal(stream.done());
  const busy = await refusal(threads.runs.create(thread, { assistant_id: 'asst_default' }));
  const asked_to_end = await below(threads.runs, 'cancel', thread, id);
  const ended = await below(threads.runs, 'poll', thread, id);
  const again = await refusal(below(threads.runs, 'cancel', thread, id));
  return { aborted, failure, thread, id, busy, asked_to_end, ended, again };
})();

seen.failed = await watched(threads.runs.stream(await asked('@@script:fail@@'), { assistant_id: 'asst_default' }));

const stranger = await connect(version, baseURL, 'sk-wrong', { maxRetries: 0 });
seen.refused = {
  name: await refusal(assistants.create({ model: 'm', name: 'n'.repeat(257) })),
  limit: await refusal(all(assistants.list({ limit: 1000 }))),
  thread: await refusal(threads.retrieve('thread_x')),
  key: await refusal(all(stranger.assistants.list())),
};

console.log(JSON.stringify(seen));
