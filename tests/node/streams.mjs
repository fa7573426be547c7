// Listens to streams with every listener of a real openai-node version and prints what it heard as one JSON object.
//
//   node streams.mjs VERSION BASE_URL API_KEY
import { all, answers, connect, refusal } from './client.mjs';

const [version, baseURL, apiKey] = process.argv.slice(2);
const { AssistantStream, threads, below, asked } = await connect(version, baseURL, apiKey, { maxRetries: 0 });
const ASSISTANT = { assistant_id: 'asst_default' };

// Listeners get live objects that grow later: they are copied as they were.
const copied = (value) => JSON.parse(JSON.stringify(value));
const LISTENERS = [
  'connect', 'textCreated', 'textDelta', 'textDone', 'toolCallCreated', 'toolCallDelta', 'toolCallDone', 'imageFileDone',
  'messageCreated', 'messageDelta', 'messageDone', 'runStepCreated', 'runStepDelta', 'runStepDone', 'error', 'end',
];

async function heard(stream) {
  const calls = [];
  const events = [];
  for (const name of LISTENERS) stream.on(name, (...given) => calls.push([name, ...copied(given)]));
  stream.on('event', ({ event }) => events.push(event));
  const failure = await refusal(stream.done());
  if (failure) return { calls, events, failure };
  const final = { run: await stream.finalRun(), messages: await stream.finalMessages() };
  return { calls, events, failure, ...final, steps: await stream.finalRunSteps() };
}

async function stored(run) {
  const messages = await all(threads.messages.list(run.thread_id, { run_id: run.id, order: 'asc' }));
  const steps = await all(below(threads.runs.steps, 'list', run.thread_id, run.id, { order: 'asc' }));
  return { messages: messages.filter((message) => message.run_id === run.id), steps };
}

async function told(content, assistant = ASSISTANT) {
  const found = await heard(threads.runs.stream(await asked(content), assistant));
  return found.run ? { ...found, stored: await stored(found.run) } : found;
}

const seen = {};

seen.text = await told('hello');
seen.cited = await told('@@script:file_search@@', { assistant_id: 'asst_search' });
seen.refused = await told('@@script:refusal@@');
seen.incomplete = await told('@@script:incomplete@@');
seen.failed = await told('@@script:status?code=429@@');

seen.called = await (async () => {
  const thread = await asked('@@script:two_calls@@');
  const first = await heard(threads.runs.stream(thread, ASSISTANT));
  const rest = below(threads.runs, 'submitToolOutputsStream', thread, first.run.id, answers(first.run));
  const second = await heard(rest);
  return { first, second, stored: await stored(second.run) };
})();

// As a server passes a stream on to a page: both halves, the tool outputs between them.
seen.piped = await (async () => {
  const pipe = (stream) => AssistantStream.fromReadableStream(stream.toReadableStream());
  const thread = await asked('@@script:call@@');
  const first = await heard(pipe(threads.runs.stream(thread, ASSISTANT)));
  const rest = below(threads.runs, 'submitToolOutputsStream', thread, first.run.id, answers(first.run));
  return { first, second: await heard(pipe(rest)) };
})();

seen.iterated = await (async () => {
  const streamed = [];
  const thread = await asked('hello');
  for await (const { event } of threads.runs.stream(thread, ASSISTANT)) streamed.push(event);
  const created = [];
  for await (const { event } of await threads.runs.create(thread, { ...ASSISTANT, stream: true })) created.push(event);
  const made_with_thread = [];
  const body = { ...ASSISTANT, stream: true, thread: { messages: [{ role: 'user', content: 'hello' }] } };
  for await (const { event } of await threads.createAndRun(body)) made_with_thread.push(event);
  const calling = await threads.runs.createAndPoll(await asked('@@script:call@@'), ASSISTANT);
  const given = { ...answers(calling), stream: true };
  const submitted = [];
  const rest = await below(threads.runs, 'submitToolOutputs', calling.thread_id, calling.id, given);
  for await (const { event } of rest) submitted.push(event);
  return { streamed, created, made_with_thread, submitted };
})();

// A loop that is left ends the request, too.
seen.left = await (async () => {
  const thread = await asked('@@script:text?delay=0.03&repeat=5@@');
  for await (const { event } of await threads.runs.create(thread, { ...ASSISTANT, stream: true })) {
    if (event === 'thread.message.delta') break;
  }
  const [{ id, status }] = await all(threads.runs.list(thread));
  const run = await below(threads.runs, 'poll', thread, id);
  return { status, run, stored: await stored(run) };
})();

seen.stopped = await (async () => {
  const thread = await asked('@@script:stall@@');
  const stream = threads.runs.stream(thread, ASSISTANT);
  const cancelled = new Promise((resolve, reject) =>
    stream.once('textDelta', () => below(threads.runs, 'cancel', thread, stream.currentRun().id).then(resolve, reject))
  );
  const found = await heard(stream);
  return { ...found, answered: (await cancelled).status, stored: await stored(found.run) };
})();

seen.aborted = await (async () => {
  const thread = await asked('@@script:text?delay=0.03&repeat=5@@');
  const stream = threads.runs.stream(thread, ASSISTANT);
  let read = '';
  stream.on('textDelta', ({ value }) => {
    read += value ?? '';
    stream.abort();
  });
  const failure = await refusal(stream.done());
  const [{ id, status }] = await all(threads.runs.list(thread));
  const run = await below(threads.runs, 'poll', thread, id);
  return { failure, read, status, run, aborted: stream.aborted, stored: await stored(run) };
})();

console.log(JSON.stringify(seen));
