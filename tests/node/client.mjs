// One openai-node version, ready to be asked: what differs between the versions is bridged here, and only here.
//
//   const { client, threads, below, … } = await connect(version, baseURL, apiKey)
// `sent` holds what went over the wire, one `METHOD path` an attempt, so that retries can be counted.

// Version 4 takes ids in the order of the path, later ones the innermost id and the others by name.
export async function connect(version, baseURL, apiKey, options = {}) {
  const { default: OpenAI } = await import(`openai-${version}`);
  const { AssistantStream } = await import(`openai-${version}/lib/AssistantStream`);
  const sent = [];
  const counted = (url, init) => {
    sent.push(`${(init?.method ?? 'GET').toUpperCase()} ${new URL(url).pathname.split('/v1')[1]}`);
    return fetch(url, init);
  };
  const client = new OpenAI({ baseURL, apiKey, fetch: counted, ...options });
  const old = version.startsWith('4.');
  const { assistants, threads } = client.beta;
  const below = (resource, name, thread, id, body) =>
    old ? resource[name](thread, id, body) : resource[name](id, { thread_id: thread, ...body });
  const asked = async (content) => (await threads.create({ messages: [{ role: 'user', content }] })).id;
  return { OpenAI, AssistantStream, client, assistants, threads, sent, old, below, asked };
}

export async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

export function answers(run, output = 'sunny') {
  const calls = run.required_action.submit_tool_outputs.tool_calls;
  return { tool_outputs: calls.map(({ id }) => ({ tool_call_id: id, output })) };
}

// What a promise was refused with; null where it was not.
export async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    const { status, message, param, code, type } = error;
    const request = error.requestID ?? error.request_id;
    return { kind: error.constructor.name, status, message, param, code, type, request };
  }
  return null;
}
