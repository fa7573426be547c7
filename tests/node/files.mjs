// Goes through files and vector stores with a real openai-node version and prints what it saw as one JSON object.
//
//   node files.mjs VERSION BASE_URL API_KEY
import { all, connect, refusal } from './client.mjs';

const [version, baseURL, apiKey] = process.argv.slice(2);
// Version 4 sends a form as a stream, which only the fetch that it brings along takes without further ado.
const own = version.startsWith('4.') ? { fetch: undefined } : {};
const { client, old } = await connect(version, baseURL, apiKey, { maxRetries: 0, ...own });
const { toFile } = await import(`openai-${version}`);
const { files } = client;
const stores = old ? client.beta.vectorStores : client.vectorStores;
const remove = (resource, id) => (old ? resource.del(id) : resource.delete(id));
const inside = (name, store, file) =>
  old ? stores.files[name](store, file) : stores.files[name](file, { vector_store_id: store });
const taken = (name, store, file) => inside(old && name === 'delete' ? 'del' : name, store, file);
const text = (content, name) => toFile(Buffer.from(content), name);

const seen = {};

seen.files = await (async () => {
  const made = await files.create({ file: await text('The sky is green.', 'näïve “sky”.txt'), purpose: 'assistants' });
  const read = await files.retrieve(made.id);
  const content = await (await files.content(made.id)).text();
  const listed = await all(files.list({ purpose: 'assistants' }));
  const deleted = await remove(files, made.id);
  const missing = await refusal(files.retrieve(made.id));
  const empty = await refusal(files.create({ file: await text('', 'empty.txt'), purpose: 'assistants' }));
  return { made, read, content, listed: listed.map(({ id }) => id), deleted, missing, empty };
})();

seen.stores = await (async () => {
  const made = await stores.create({ name: 'N' });
  const known = await files.create({ file: await text('The grass is blue.', 'grass.md'), purpose: 'assistants' });
  const batch = await stores.fileBatches.uploadAndPoll(made.id, {
    files: [await text('apples', 'a.txt'), await text('pears', 'b.txt')],
    fileIds: [known.id],
  });
  const one = await stores.files.uploadAndPoll(made.id, await text('plums', 'c.txt'));
  const listed = (await all(stores.files.list(made.id, { limit: 3 }))).map(({ id }) => id);
  const read = await taken('retrieve', made.id, one.id);
  const gone = await taken('delete', made.id, one.id);
  const counted = await stores.retrieve(made.id);
  const found = old ? null : (await all(stores.search(made.id, { query: 'grass' }))).map(({ filename }) => filename);
  const deleted = await remove(stores, made.id);
  const missing = await refusal(stores.retrieve(made.id));
  return { made, known, batch, one, listed, read, gone, counted, found, deleted, missing };
})();

console.log(JSON.stringify(seen));
