/** Paths: ids are checked and encoded, so that none leads to another route. */
import assert from "node:assert/strict";
import test from "node:test";

import { Api } from "../../flask_assistant_stream/ui/api.js";
import { basePath, isId, path, withQuery } from "../../flask_assistant_stream/ui/paths.js";

const UPWARD = ["..", ".", "../x", "a/../../b", "..%2fx", "%2e%2e", "a\\..\\b", "..;", "x?y", "x#y", "a b", "a\nb", "//x", ""];
const OTHERS = [null, undefined, 7, {}, ["thread_1"], "x".repeat(201)];

test("ids in the shapes of all servers stay as they are", () => {
  for (const id of ["thread_0Az", "file-0Az", "cfile_1", "conv_a1", "3", "0b6f-9c", "msg.1:2", "a=="]) {
    assert.ok(isId(id), id);
    assert.equal(decodeURIComponent(path`/threads/${id}/messages`), `/threads/${id}/messages`);
  }
});

for (const value of [...UPWARD, ...OTHERS]) {
  test(`${JSON.stringify(value)} is no id`, () => {
    assert.equal(isId(value), false);
    assert.throws(() => path`/threads/${"thread_1"}/runs/${value}/cancel`, { status: 404 });
    assert.equal(new Api({ base: "/api" }).fileUrl(value), null);
  });
}

test("a query encodes its values and leaves out missing ones", () => {
  assert.equal(withQuery("/threads", { limit: 50, after: null }), "/threads?limit=50");
  assert.equal(withQuery("/x", { after: "1&order=asc#/../" }), "/x?after=1%26order%3Dasc%23%2F..%2F");
});

test("the base is a path of the page's origin", () => {
  const page = new URL("https://host.example/help/chat?x");
  assert.equal(basePath("/sub/api/", page), "/sub/api");
  assert.equal(basePath("", page), "");
  for (const base of ["//evil.example/api", "https://evil.example", "http://host.example/api", "javascript:1"])
    assert.throws(() => basePath(base, page), /another origin/);
});
