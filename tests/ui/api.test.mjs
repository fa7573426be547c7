/** What the page makes of the API's answers. */
import assert from "node:assert/strict";
import test from "node:test";

import { Api, ApiError, refused } from "../../flask_assistant_stream/ui/api.js";
import { statusText } from "../../flask_assistant_stream/ui/files/files.js";

const ndjson = { "Content-Type": "application/x-ndjson" };

/** Has `fetch` answer, and returns what was asked. */
function answering(context, answer) {
  const asked = [];
  context.mock.method(globalThis, "fetch", async (url, options) => {
    asked.push({ url, ...options });
    if (answer instanceof Error) throw answer;
    return answer;
  });
  return asked;
}

test("requests go below the base, with the token where something may change", async (context) => {
  const asked = answering(context, new Response("{}"));
  const api = new Api({ base: "/sub/api", csrfToken: "t" });
  await api.json("PATCH", "/threads/1", { title: "x" });
  assert.equal(asked[0].url, "/sub/api/threads/1");
  assert.deepEqual([asked[0].method, asked[0].body, asked[0].headers], ["PATCH", '{"title":"x"}', { "X-CSRFToken": "t" }]);
});

test("reading sends no token", async (context) => {
  const asked = answering(context, new Response("{}"));
  await new Api({ base: "", csrfToken: "t" }).json("GET", "/threads");
  assert.deepEqual(asked[0].headers, {});
});

test("a stream is asked for as NDJSON; with a body it is a POST", async (context) => {
  const asked = answering(context, new Response("", { headers: ndjson }));
  const api = new Api({ base: "" });
  await api.stream("/chat/stream", { content: "x" }, { idempotencyKey: "k" });
  await api.stream("/threads/1/runs/2/stream");
  assert.deepEqual(asked.map(({ method }) => method), ["POST", "GET"]);
  assert.deepEqual(asked[0].headers, { Accept: "application/x-ndjson", "Idempotency-Key": "k" });
});

test("errors are those of the API, in its words", async (context) => {
  const body = { error: { message: "Too long.", code: "string_above_max_length" } };
  answering(context, Response.json(body, { status: 400 }));
  const error = await new Api({ base: "" }).json("GET", "/").catch((thrown) => thrown);
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.message, error.status, error.code], ["Too long.", 400, "string_above_max_length"]);
});

test("nobody logged in, a proxy's page and a server that is away are said in plain words", async (context) => {
  assert.equal(refused(401, '{"error": {"message": "Log in first."}}').message, "You are not logged in. Log in first.");
  assert.equal(refused(413, "<html>nginx</html>").message, "That is too large for the server.");
  assert.equal(refused(418, "<html>").message, "The server answered 418.");
  assert.equal(refused(500, "null").message, "The server answered 500.");
  answering(context, new TypeError("Failed to fetch"));
  const error = await new Api({ base: "" }).json("GET", "/").catch((thrown) => thrown);
  assert.deepEqual([error.message, error.status, error.code], ["The server cannot be reached.", 0, "unreachable"]);
});

test("a host's log-in page instead of an answer says that nobody is logged in", async (context) => {
  const page = new Response("<html>Log in</html>", { headers: { "Content-Type": "text/html" } });
  Object.defineProperty(page, "redirected", { value: true });
  answering(context, page);
  const api = new Api({ base: "" });
  assert.equal((await api.json("GET", "/threads").catch((error) => error)).status, 401);
  assert.equal((await api.stream("/chat/stream", { content: "x" }).catch((error) => error)).status, 401);
});

test("who stops a request is told so", async (context) => {
  answering(context, new DOMException("stopped", "AbortError"));
  const error = await new Api({ base: "" }).stream("/x").catch((thrown) => thrown);
  assert.equal(error.name, "AbortError");
});

test("files say how they are", () => {
  assert.equal(statusText({ status: "uploading", progress: 0.416 }), "Uploading 42 %");
  assert.equal(statusText({ status: "in_progress" }), "Indexing");
  assert.equal(statusText({ status: "completed" }), "Ready");
  assert.equal(statusText({ status: "failed", error: "Too large." }), "Failed: Too large.");
});
