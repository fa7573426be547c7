// Reads and changes a thread with forks through a real openai-node version; prints what it saw as one JSON object.
//
//   node forks.mjs VERSION BASE_URL API_KEY
import { all, connect, refusal } from './client.mjs';

const [version, baseURL, apiKey] = process.argv.slice(2);
const { threads, below, asked, old } = await connect(version, baseURL, apiKey, { maxRetries: 0 });

const id = ({ id }) => id;
const removed = (thread, id) => (old ? threads.messages.del(thread, id) : threads.messages.delete(id, { thread_id: thread }));
const app = async (method, path, body) => {
  const headers = { Authorization: `Bearer ${apiKey}` };
  const response = await fetch(baseURL.replace(/\/v1$/, path), { method, headers, body: JSON.stringify(body) });
  const text = await response.text(); // to the end of the run
  if (!response.ok) throw new Error(text);
};
const listed = async (query) => (await all(threads.messages.list(thread, query))).map(id);

const thread = await asked('q1');
await threads.runs.createAndPoll(thread, { assistant_id: 'asst_default' });
await threads.messages.create(thread, { role: 'user', content: 'q2' });
await threads.runs.createAndPoll(thread, { assistant_id: 'asst_default' });
const first = await listed({ order: 'asc' });
await app('POST', `/threads/${thread}/messages/${first[2]}/fork`, { content: 'Q2' });
await app('POST', `/threads/${thread}/messages/${first[1]}/fork`, {});
await threads.messages.create(thread, { role: 'user', content: 'q3' });
await threads.runs.createAndPoll(thread, { assistant_id: 'asst_default' });

const seen = { first };
seen.active = await listed({ order: 'asc', limit: 100 });
seen.paged = await listed({ order: 'asc', limit: 1 });
seen.newest = await listed({ limit: 2 });
seen.after = await listed({ order: 'asc', after: seen.active[1] });
seen.before = (await threads.messages.list(thread, { order: 'asc', before: seen.active[2] })).data.map(id);
seen.elsewhere = await listed({ order: 'asc', after: first[1] });
seen.retrieved = (await Promise.all(first.map((id) => below(threads.messages, 'retrieve', thread, id)))).map(id);
seen.runs = await all(threads.runs.list(thread, { limit: 2 }));
seen.answers = [];
seen.steps = [];
for (const run of seen.runs) {
  seen.answers.push(...(await listed({ run_id: run.id })));
  seen.steps.push(...(await all(below(threads.runs.steps, 'list', thread, run.id, {}))));
}
for (const id of seen.active) await removed(thread, id);
seen.emptied = await listed({});
await app('PUT', `/threads/${thread}/line`, { line_id: 'line_0' });
seen.switched = await listed({ order: 'asc' });
await (threads.del ?? threads.delete).call(threads, thread);
seen.gone = await Promise.all(first.map((id) => refusal(below(threads.messages, 'retrieve', thread, id))));

console.log(JSON.stringify(seen));
