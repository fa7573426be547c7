/** The API client: requests, errors and file states. */
import assert from "node:assert/strict";
import test from "node:test";

import { Api } from "../../flask_assistant_stream/ui/api.js";
import { ApiError, errorOf, remedy } from "../../flask_assistant_stream/ui/errors.js";
import { statusText } from "../../flask_assistant_stream/ui/files/files.js";

const ndjson = { "Content-Type": "application/x-ndjson" };

/** Mock `fetch` with a response; return the recorded requests. */
function mockFetch(context, response) {
  const requests = [];
  context.mock.method(globalThis, "fetch", async (url, options) => {
    requests.push({ url, ...options });
    if (response instanceof Error) throw response;
    return response;
  });
  return requests;
}

test("requests use the base URL, and send the token if they change something", async (context) => {
  const requests = mockFetch(context, new Response("{}"));
  const api = new Api({ base: "/sub/api", csrfToken: "t" });
  await api.json("PATCH", "/threads/1", { title: "x" });
  assert.equal(requests[0].url, "/sub/api/threads/1");
  assert.deepEqual([requests[0].method, requests[0].body, requests[0].headers], ["PATCH", '{"title":"x"}', { "X-CSRFToken": "t" }]);
});

test("GET sends no token", async (context) => {
  const requests = mockFetch(context, new Response("{}"));
  await new Api({ base: "", csrfToken: "t" }).json("GET", "/threads");
  assert.deepEqual(requests[0].headers, {});
});

test("a stream is requested as NDJSON; with a body it is a POST", async (context) => {
  const requests = mockFetch(context, new Response("", { headers: ndjson }));
  const api = new Api({ base: "" });
  await api.stream("/chat/stream", { content: "x" }, { idempotencyKey: "k" });
  await api.stream("/threads/1/runs/2/stream");
  assert.deepEqual(requests.map(({ method }) => method), ["POST", "GET"]);
  assert.deepEqual(requests[0].headers, { Accept: "application/x-ndjson", "Idempotency-Key": "k" });
});

test("an API error keeps its message, status and code", async (context) => {
  const body = { error: { message: "Too long.", code: "string_above_max_length" } };
  mockFetch(context, Response.json(body, { status: 400 }));
  const error = await new Api({ base: "" }).json("GET", "/").catch((thrown) => thrown);
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.status, error.code], [400, "string_above_max_length"]);
  assert.equal(error.message, "The text is too long. Shorten it.");
});

const error = (message, more = {}) => JSON.stringify({ error: { message, ...more } });

test("the words of a host and of a refused file reach the visitor", () => {
  assert.equal(errorOf(429, error("Two questions a day.")).message, "Two questions a day.");
  const refused = "'x.exe' cannot be searched; files must end in one of: .md, .txt.";
  assert.equal(errorOf(400, error(refused, { param: "file" })).message, refused);
});

test("no address, id or parameter reaches the visitor", () => {
  const jargon = [
    [500, error("http://10.0.0.7:8000/v1 refused the connection.")],
    [502, error("The upstream at llm.internal failed.")],
    [400, error("Invalid 'content': Missing data.", { param: "content" })],
    [400, error("Can't add messages to thread_abcdefgh1 while a run run_abcdefgh1 is active.")],
    [400, error("The body is not valid JSON: x at character 3.")],
    [404, error("No thread found with id 'thread_abcdefgh1'.")],
    [429, error("60 per 1 minute")],
  ];
  for (const [status, body] of jargon) {
    assert.doesNotMatch(errorOf(status, body).message, /http|internal|content|thread_|JSON|per 1/, body);
  }
});

test("an error is repeated only where that can succeed", () => {
  const offered = (status, message = "") => remedy(errorOf(status, error(message)), () => {})?.text;
  for (const status of [400, 403, 404, 410, 413, 422]) assert.equal(offered(status), undefined, status);
  for (const status of [408, 429, 500, 502, 503, 504]) assert.equal(offered(status), "Try again", status);
  assert.equal(offered(401), "Reload");
  assert.equal(offered(400, "The CSRF token has expired."), "Reload");
});

test("a missing login, a proxy's page and an unreachable server have clear messages", async (context) => {
  assert.equal(errorOf(401, '{"error": {"message": "Log in first."}}').message, "You are not logged in. Log in first.");
  assert.equal(errorOf(413, "<html>nginx</html>").message, "This is too large for the server.");
  assert.equal(errorOf(418, "<html>").message, "The server did not accept this.");
  assert.equal(errorOf(500, "null").message, "Something went wrong on the server. Try again in a moment.");
  mockFetch(context, new TypeError("Failed to fetch"));
  const error = await new Api({ base: "" }).json("GET", "/").catch((thrown) => thrown);
  assert.deepEqual([error.message, error.status, error.code], ["The server cannot be reached.", 0, "unreachable"]);
});

test("a redirect to the host's login page is an error 401", async (context) => {
  const page = new Response("<html>Log in</html>", { headers: { "Content-Type": "text/html" } });
  Object.defineProperty(page, "redirected", { value: true });
  mockFetch(context, page);
  const api = new Api({ base: "" });
  assert.equal((await api.json("GET", "/threads").catch((error) => error)).status, 401);
  assert.equal((await api.stream("/chat/stream", { content: "x" }).catch((error) => error)).status, 401);
});

test("an aborted request throws AbortError", async (context) => {
  mockFetch(context, new DOMException("stopped", "AbortError"));
  const error = await new Api({ base: "" }).stream("/x").catch((thrown) => thrown);
  assert.equal(error.name, "AbortError");
});

test("a file shows its status", () => {
  assert.equal(statusText({ status: "uploading", progress: 0.416 }), "Uploading 42 %");
  assert.equal(statusText({ status: "in_progress" }), "Indexing");
  assert.equal(statusText({ status: "completed" }), "Ready");
  assert.equal(statusText({ status: "failed", error: "Too large." }), "Failed: Too large.");
});
