// Does what is wrong with a real openai-node version that may retry as it likes, and prints how it was refused.
//
//   node refusals.mjs VERSION BASE_URL API_KEY
import { all, answers, connect, refusal } from './client.mjs';

const [version, baseURL, apiKey] = process.argv.slice(2);
const { assistants, threads, below, asked, sent } = await connect(version, baseURL, apiKey);
const ASSISTANT = { assistant_id: 'asst_default' };

// A refusal and every request that it took.
async function refused(attempt) {
  const before = sent.length;
  const told = await refusal(attempt());
  return { ...told, sent: sent.slice(before) };
}

const seen = {};

seen.unknown = {
  thread: await refused(() => threads.retrieve('thread_x')),
  messages: await refused(() => all(threads.messages.list('thread_x'))),
  run: await refused(() => threads.runs.create('thread_x', ASSISTANT)),
  stream: await refused(() => threads.runs.stream('thread_x', ASSISTANT).done()),
  assistant: await refused(async () => threads.runs.create(await asked('hello'), { assistant_id: 'asst_x' })),
};

seen.key = await (async () => {
  const stranger = await connect(version, baseURL, 'sk-wrong');
  const list = await refusal(all(stranger.assistants.list()));
  const stream = await refusal(stranger.threads.createAndRunStream(ASSISTANT).done());
  return { list, stream, sent: stranger.sent };
})();

seen.busy = await (async () => {
  const thread = await asked('@@script:stall@@');
  const { id } = await threads.runs.create(thread, ASSISTANT);
  const run = await refused(() => threads.runs.create(thread, ASSISTANT));
  const stream = await refused(() => threads.runs.stream(thread, ASSISTANT).done());
  const message = await refused(() => threads.messages.create(thread, { role: 'user', content: 'and' }));
  await below(threads.runs, 'cancel', thread, id);
  const ended = await below(threads.runs, 'poll', thread, id);
  const runs = (await all(threads.runs.list(thread))).length;
  return { thread, id, run, stream, message, ended: ended.status, runs };
})();

seen.outputs = await (async () => {
  const thread = await asked('@@script:two_calls@@');
  const run = await threads.runs.createAndPoll(thread, ASSISTANT);
  const [one, two] = answers(run).tool_outputs;
  const submit = (...given) => refused(() => below(threads.runs, 'submitToolOutputs', thread, run.id, { tool_outputs: given }));
  const found = {
    none: await submit(),
    missing: await submit(one),
    twice: await submit(one, one),
    foreign: await submit(one, { tool_call_id: 'call_x', output: 'sunny' }),
    extra: await submit(one, two, { tool_call_id: 'call_x', output: 'sunny' }),
    unnamed: await submit({ output: 'sunny' }),
    streamed: await refused(() =>
      below(threads.runs, 'submitToolOutputsStream', thread, run.id, { tool_outputs: [one] }).done()
    ),
  };
  const still = (await below(threads.runs, 'retrieve', thread, run.id)).status;
  const done = await below(threads.runs, 'submitToolOutputsAndPoll', thread, run.id, answers(run));
  return { ...found, calls: [one.tool_call_id, two.tool_call_id], still, done: done.status, late: await submit(one, two) };
})();

const WRONG = [
  ['model', { model: '' }],
  ['metadata', { model: 'm', metadata: { ['k'.repeat(65)]: 'v' } }],
  ['temperature', { model: 'm', temperature: 3 }],
  ['tools', { model: 'm', tools: Array.from({ length: 129 }, () => ({ type: 'file_search' })) }],
];
seen.fields = {};
for (const [name, body] of WRONG) seen.fields[name] = await refused(() => assistants.create(body));

console.log(JSON.stringify(seen));
