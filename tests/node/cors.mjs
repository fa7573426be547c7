// Uses openai-node as a page of another origin would: each request needs a preflight that allows its headers.
//
//   node cors.mjs VERSION BASE_URL API_KEY ORIGIN
const [version, baseURL, apiKey, origin] = process.argv.slice(2);
const { default: OpenAI } = await import(`openai-${version}`);

// Headers that a page may send without a preflight's consent (Fetch standard, "CORS-safelisted request-header").
const SAFE = new Set(['accept', 'accept-language', 'content-language']);
// Headers that a browser writes itself.
const OWN = new Set(['user-agent', 'content-length', 'host', 'connection']);
const asked = new Set();

async function asAPage(url, init = {}) {
  const method = (init.method ?? 'GET').toUpperCase();
  const names = [...new Headers(init.headers).keys()].filter((name) => !SAFE.has(name) && !OWN.has(name));
  names.forEach((name) => asked.add(name));
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': names.join(',') },
  });
  const listed = (name) => (preflight.headers.get(name) ?? '').split(',').map((word) => word.trim().toLowerCase());
  const refused = names.filter((name) => !listed('access-control-allow-headers').includes(name));
  if (!preflight.ok || preflight.headers.get('access-control-allow-origin') !== origin || refused.length)
    throw new TypeError(`Failed to fetch: the preflight of ${method} refuses ${refused.join(', ')}`);
  if (!listed('access-control-allow-methods').includes(method.toLowerCase())) throw new TypeError('Failed to fetch');
  return fetch(url, { ...init, headers: { ...Object.fromEntries(new Headers(init.headers)), origin } });
}

const client = new OpenAI({
  baseURL,
  apiKey,
  fetch: asAPage,
  maxRetries: 0,
  dangerouslyAllowBrowser: true,
  defaultHeaders: { traceparent: '00-1-2-01', 'sentry-trace': '1', baggage: 'a=b', 'X-CSRFToken': 'token' },
});
const seen = {};
try {
  const thread = await client.beta.threads.create({ messages: [{ role: 'user', content: 'hello' }] });
  const stream = client.beta.threads.runs.stream(thread.id, { assistant_id: 'asst_default' });
  seen.status = (await stream.finalRun()).status;
  seen.thread = thread.id;
} catch (error) {
  seen.error = String(error.cause ?? error);
}
console.log(JSON.stringify({ ...seen, asked: [...asked] }));
