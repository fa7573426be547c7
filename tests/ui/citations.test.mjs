/** Citations: numbers, links, and the remaining text. */
import assert from "node:assert/strict";
import test from "node:test";

import { Citations, webAddress } from "../../flask_assistant_stream/ui/log/citations.js";

const fileUrl = (id) => (id ? `/files/${id}` : null);
const file = (marker, id) => ({ type: "file_citation", text: marker, file_citation: { file_id: id } });
const part = (text, annotations = [], links = []) => ({ type: "text", text, annotations, links });
const link = (text, range, url, title = "") => {
  const start = Array.from(text.slice(0, text.indexOf(range))).length;
  return { type: "url_citation", url, title, start_index: start, end_index: start + Array.from(range).length };
};

test("one file has one number, wherever it is cited", () => {
  const cited = part("a【1:0†food.txt】 b【1:1†other.pdf】 c【1:2†food.txt】", [
    file("【1:0†food.txt】", "file-1"),
    file("【1:1†other.pdf】", "file-2"),
    file("【1:2†food.txt】", "file-1"),
  ]);
  const citations = new Citations([cited, part("d【2:0†food.txt】", [file("【2:0†food.txt】", "file-1")])], fileUrl);
  assert.deepEqual(
    citations.sources.map(({ number, name, url }) => [number, name, url]),
    [
      [1, "food.txt", "/files/file-1"],
      [2, "other.pdf", "/files/file-2"],
    ],
  );
  assert.equal(citations.sourceOf("【2:0†food.txt】").number, 1);
  assert.equal(citations.plain(cited), "a [1] b [2] c [1]");
});

test("a generated file is a link, not a source", () => {
  const path = "sandbox:/mnt/data/table.csv";
  const note = { type: "file_path", text: path, file_path: { file_id: "cfile_1" } };
  const citations = new Citations([part(`Here: [table](${path})`, [note])], fileUrl);
  assert.deepEqual(citations.sources, []);
  assert.deepEqual(citations.sourceOf(path), { number: null, name: "table.csv", url: "/files/cfile_1", page: false });
  assert.equal(citations.sourceOf("sandbox:/mnt/data/other.csv"), undefined);
});

test("a page's marker follows the citing text, counted in code points", () => {
  const text = "🌞 The sun shines (example.com). So what.";
  const cited = part(text, [], [link(text, "(example.com)", "https://example.com/sun", "Sun")]);
  const citations = new Citations([cited], fileUrl);
  const [marker] = citations.markers;
  assert.equal(citations.markdown(cited), `🌞 The sun shines (example.com)${marker}. So what.`);
  assert.deepEqual(citations.sourceOf(marker), { number: 1, name: "Sun", url: "https://example.com/sun", page: true });
});

test("a range that is only the link is replaced by the number", () => {
  const text = "It shines ([example.com](https://example.com/sun)).";
  const cited = part(text, [], [link(text, "([example.com](https://example.com/sun))", "https://example.com/sun")]);
  const citations = new Citations([cited], fileUrl);
  assert.equal(citations.markdown(cited), `It shines ${citations.markers[0]}.`);
  assert.equal(citations.sources[0].name, "example.com");
});

test("only http(s) pages are linked", () => {
  for (const url of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "", null]) {
    assert.equal(webAddress(url), null);
    const cited = part("x", [], [{ type: "url_citation", url, title: "t", start_index: 0, end_index: 1 }]);
    const citations = new Citations([cited], fileUrl);
    assert.deepEqual([citations.sources, citations.markdown(cited)], [[], "x"]);
  }
});

test("incomplete annotations are ignored", () => {
  const notes = [
    { type: "file_citation", text: "", file_citation: { file_id: "f" } },
    { type: "file_citation", text: "【x】" },
    { type: "new" },
  ];
  assert.deepEqual(new Citations([part("x", notes)], fileUrl).markers, []);
});
