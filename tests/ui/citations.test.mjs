/** What is cited: numbers, links, and the text that is left. */
import assert from "node:assert/strict";
import test from "node:test";

import { Citations, webAddress } from "../../flask_assistant_stream/ui/log/citations.js";

const fileUrl = (id) => `/files/${id}`;
const file = (marker, id) => ({ type: "file_citation", text: marker, file_citation: { file_id: id } });
const text = (said, annotations = [], links = []) => ({ type: "text", text: said, annotations, links });
const link = (said, what, url, title = "") => {
  const start = Array.from(said.slice(0, said.indexOf(what))).length;
  return { type: "url_citation", url, title, start_index: start, end_index: start + Array.from(what).length };
};

test("one file has one number, wherever it is cited", () => {
  const part = text("a【1:0†food.txt】 b【1:1†other.pdf】 c【1:2†food.txt】", [
    file("【1:0†food.txt】", "file-1"),
    file("【1:1†other.pdf】", "file-2"),
    file("【1:2†food.txt】", "file-1"),
  ]);
  const citations = new Citations([part, text("d【2:0†food.txt】", [file("【2:0†food.txt】", "file-1")])], fileUrl);
  assert.deepEqual(
    citations.sources.map(({ number, name, url }) => [number, name, url]),
    [
      [1, "food.txt", "/files/file-1"],
      [2, "other.pdf", "/files/file-2"],
    ],
  );
  assert.equal(citations.sourceOf("【2:0†food.txt】").number, 1);
  assert.equal(citations.plain(part), "a [1] b [2] c [1]");
});

test("a file that was made is a link and no source", () => {
  const path = "sandbox:/mnt/data/table.csv";
  const note = { type: "file_path", text: path, file_path: { file_id: "cfile_1" } };
  const citations = new Citations([text(`Here: [table](${path})`, [note])], fileUrl);
  assert.deepEqual(citations.sources, []);
  assert.deepEqual(citations.sourceOf(path), { number: null, name: "table.csv", url: "/files/cfile_1", page: false });
  assert.equal(citations.sourceOf("sandbox:/mnt/data/other.csv"), undefined);
});

test("pages are marked behind what cites them, counted in code points", () => {
  const said = "🌞 The sun shines (example.com). So what.";
  const part = text(said, [], [link(said, "(example.com)", "https://example.com/sun", "Sun")]);
  const citations = new Citations([part], fileUrl);
  const [marker] = citations.markers;
  assert.equal(citations.markdown(part), `🌞 The sun shines (example.com)${marker}. So what.`);
  assert.deepEqual(citations.sourceOf(marker), { number: 1, name: "Sun", url: "https://example.com/sun", page: true });
});

test("a link that says no more than its source gives way to the number", () => {
  const said = "It shines ([example.com](https://example.com/sun)).";
  const part = text(said, [], [link(said, "([example.com](https://example.com/sun))", "https://example.com/sun")]);
  const citations = new Citations([part], fileUrl);
  assert.equal(citations.markdown(part), `It shines ${citations.markers[0]}.`);
  assert.equal(citations.sources[0].name, "example.com");
});

test("only pages of the web are linked", () => {
  for (const url of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "", null]) {
    assert.equal(webAddress(url), null);
    const part = text("x", [], [{ type: "url_citation", url, title: "t", start_index: 0, end_index: 1 }]);
    const citations = new Citations([part], fileUrl);
    assert.deepEqual([citations.sources, citations.markdown(part)], [[], "x"]);
  }
});

test("annotations that say too little are passed over", () => {
  const notes = [
    { type: "file_citation", text: "", file_citation: { file_id: "f" } },
    { type: "file_citation", text: "【x】" },
    { type: "new" },
  ];
  assert.deepEqual(new Citations([text("x", notes)], fileUrl).markers, []);
});
