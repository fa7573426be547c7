/** Markdown without a DOM: blocks of a streaming text, markers, escaped HTML. */
import assert from "node:assert/strict";
import test from "node:test";

import { shownLength } from "../../flask_assistant_stream/ui/log/plain_text.js";
import * as markdown from "../../flask_assistant_stream/ui/log/markdown_blocks.js";

const { blocksOf, commonPrefix, maskMarkers, splitAtMarkers, unmask } = markdown;
const html = (text, address = (same) => same) =>
  blocksOf(text, true)
    .map(({ token, links }) => markdown.parseBlock(token, links, address))
    .join("");

test("blocks cover the whole text", () => {
  const text = "# One\n\nTwo\nlines\n\n- a\n- b\n\n```js\nlet x\n```\n\n[ref]: https://example.com\n\nlast";
  const blocks = blocksOf(text, false);
  assert.deepEqual(blocks.map(({ token }) => token.type), ["heading", "paragraph", "list", "code", "paragraph"]);
  assert.equal(blocks.reduce((sum, { length }) => sum + length, 0), text.length);
});

test("a fence is open until it is closed or the text is complete", () => {
  const closed = (text, done = false) => blocksOf(text, done)[0].closed;
  assert.equal(closed("```js"), false);
  assert.equal(closed("```js\nlet x = 1;\n"), false);
  assert.equal(closed("```js\nlet x = 1;\n``"), false);
  assert.equal(closed("```js\nlet x = 1;\n```"), true);
  assert.equal(closed("~~~\n```\n"), false);
  assert.equal(closed("```js\nlet x = 1;\n", true), true);
  assert.equal(closed("plain"), true);
});

test("a growing text keeps its earlier blocks", () => {
  const before = blocksOf("One\n\nTwo\n\nThr", false);
  const after = blocksOf("One\n\nTwo\n\nThree", false);
  assert.equal(commonPrefix(before, after), 2);
});

test("a later reference changes the blocks before it", () => {
  const before = blocksOf("See [it].\n\nMore", false);
  const after = blocksOf("See [it].\n\nMore\n\n[it]: https://example.com", true);
  assert.equal(commonPrefix(before, after), 0);
  assert.match(html("See [it].\n\n[it]: https://example.com"), /href="https:\/\/example.com"/);
});

test("HTML is shown as text, except line breaks", () => {
  assert.equal(html("a <script>b()</script> c").trim(), "<p>a &lt;script&gt;b()&lt;/script&gt; c</p>");
  assert.equal(html("<div onclick=x>\na\n</div>"), "<p>&lt;div onclick=x&gt;<br>a<br>&lt;/div&gt;</p>");
  assert.equal(html("<b>x</b> <sub>y</sub>").trim(), "<p>&lt;b&gt;x&lt;/b&gt; &lt;sub&gt;y&lt;/sub&gt;</p>");
  assert.equal(html("a<br>b<BR />c").trim(), "<p>a<br>b<br>c</p>");
});

test("line breaks are kept, and tasks need no input", () => {
  assert.match(html("a\nb"), /a<br>b/);
  assert.doesNotMatch(html("- [x] done\n- [ ] open"), /<input/);
  assert.match(html("- [x] done\n- [ ] open"), /☑ done[^]*☐ open/);
});

test("link addresses can be replaced", () => {
  const address = (url) => url.replace("sandbox:/", "/files/");
  assert.match(html("[a](sandbox:/x.csv) ![b](sandbox:/y.png)", address), /href="\/files\/x.csv"[^]*src="\/files\/y.png"/);
});

test("markers with Markdown syntax survive", () => {
  const markers = ["【1:0†a_b*c*.txt】", "【1:1†`x`~~.md】"];
  const masked = maskMarkers(`One ${markers[0]} two ${markers[1]}`, markers);
  assert.doesNotMatch(html(masked), /<em>|<code>|<del>/);
  assert.equal(unmask(masked, markers), `One ${markers[0]} two ${markers[1]}`);
  const shown = splitAtMarkers(masked, markers, (marker) => (marker === markers[0] ? { chip: marker } : null));
  assert.deepEqual(shown, ["One ", { chip: markers[0] }, " two ", markers[1]]);
});

test("of two nested markers the longer one is used", () => {
  const markers = ["†a", "【†a】"];
  assert.deepEqual(splitAtMarkers(maskMarkers("x【†a】y†a", markers), markers, (marker) => [marker]), [
    "x",
    ["【†a】"],
    "y",
    ["†a"],
  ]);
});

test("a text cannot forge a marker", () => {
  const forged = "\uE0020\uE003 \uE00299\uE003";
  assert.deepEqual(splitAtMarkers(maskMarkers(forged, ["【a】"]), ["【a】"], () => "chip"), ["0 99"]);
});

const DEEP = { quotes: "> ", bullets: "- ", numbers: "1. ", both: "> - " };

for (const [name, mark] of Object.entries(DEEP)) {
  test(`thousands of nested ${name} are shown to a depth, and no word is lost`, () => {
    const drawn = html(`${mark.repeat(5000)}deep`);
    assert.match(drawn, /deep/);
    assert.ok(drawn.match(/<(blockquote|ul|ol)>/g).length < 50);
  });
}

const NESTED = { emphasis: ["*_", "_*"], links: ["[", "](y)"], strong: ["**a ", " a**"] };

for (const [name, [open, close]] of Object.entries(NESTED)) {
  test(`thousands of nested ${name} are shown to a depth, and no word is lost`, () => {
    const drawn = html(`${open.repeat(3000)}deep${close.repeat(3000)}`);
    let [depth, deepest] = [0, 0];
    for (const [, end] of drawn.matchAll(/<(\/?)(?:em|strong|a)\b/g)) {
      depth += end ? -1 : 1;
      deepest = Math.max(deepest, depth);
    }
    assert.match(drawn, /deep/);
    assert.ok(deepest < 50);
  });
}

test("marks in every word of a very long paragraph end as text", () => {
  const drawn = html(`*start* ${"*a **b ".repeat(8000)} *end*`);
  assert.match(drawn, /<em>start<\/em>/);
  assert.match(drawn, /\*end\*/);
});

test("the beginning of a very long text is shown", () => {
  assert.equal(shownLength("short\ntext"), 10);
  assert.equal(shownLength("x".repeat(200_001)), 200_000);
  assert.equal(shownLength("x\n".repeat(3001)), 5999);
});
