/** The API client: requests, errors and file states. */
import assert from "node:assert/strict";
import test from "node:test";

import { Api } from "../../flask_assistant_stream/ui/api.js";
import { ApiError, errorOf } from "../../flask_assistant_stream/ui/errors.js";
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
  assert.deepEqual([error.message, error.status, error.code], ["Too long.", 400, "string_above_max_length"]);
});

test("a missing login, a proxy's page and an unreachable server have clear messages", async (context) => {
  assert.equal(errorOf(401, '{"error": {"message": "Log in first."}}').message, "You are not logged in. Log in first.");
  assert.equal(errorOf(413, "<html>nginx</html>").message, "The request is too large for the server.");
  assert.equal(errorOf(418, "<html>").message, "The server responded with status 418.");
  assert.equal(errorOf(500, "null").message, "The server responded with status 500.");
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
