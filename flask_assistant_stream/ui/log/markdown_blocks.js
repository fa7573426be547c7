/** Markdown without a DOM: splits text into blocks, renders a block as HTML, protects markers. */
import { Marked } from "../vendor/marked.js";
import { BoundedLexer, boundedRules } from "./bounded_lexer.js";

const LINE_BREAK = /&lt;br\s*\/?&gt;/gi;
const OPEN = "\uE002"; // private use: no Markdown syntax, and in no meaningful text
const CLOSE = "\uE003";
const MASK = /\uE002(\d+)\uE003/g;

const OPTIONS = { gfm: true, breaks: true };
const marked = new Marked({
  ...OPTIONS,
  tokenizer: boundedRules,
  renderer: {
    // HTML in a chat is shown as text, except line breaks: a table has no others.
    html: ({ text, block }) =>
      block ? `<p>${asText(text.trim()).replaceAll("\n", "<br>")}</p>` : asText(text),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

export function escape(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (char) => names[char]);
}

function asText(html) {
  return escape(html).replace(LINE_BREAK, "<br>");
}

/**
 * @typedef {object} Block
 * @property {object} token of marked
 * @property {string} raw text and state
 * @property {number} length of its text up to the next block
 * @property {boolean} closed false for an open code fence
 * @property {object} links the targets of references such as [1]
 * @property {string} references the same as text; blocks with the same `raw` and `references` look the same
 */

/**
 * Split a text into its top-level blocks.
 *
 * @param {string} text
 * @param {boolean} done true if the text is complete; then every block is closed
 * @returns {Block[]}
 */
export function blocksOf(text, done) {
  const tokens = new BoundedLexer({ ...marked.defaults, ...OPTIONS }).lex(text);
  const references = JSON.stringify(tokens.links);
  const blocks = [];
  for (const token of tokens) {
    const last = blocks.at(-1);
    if (last && (token.type === "space" || token.type === "def")) {
      last.length += token.raw.length;
    } else {
      const closed = done || token.type !== "code" || isClosed(token.raw);
      blocks.push({
        token,
        raw: `${closed}${token.raw}`,
        length: token.raw.length,
        closed,
        links: tokens.links,
        references,
      });
    }
  }
  return blocks;
}

function isClosed(raw) {
  const fence = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1];
  return !fence || (raw.trimEnd().endsWith(fence) && raw.trim().includes("\n"));
}

/** Return the length of the common prefix of two lists of blocks. */
export function commonPrefix(old, blocks) {
  let same = 0;
  while (same < old.length && same < blocks.length && looksLike(old[same], blocks[same])) same += 1;
  return same;
}

function looksLike(one, other) {
  return one.raw === other.raw && one.references === other.references;
}

/**
 * Return the HTML of a block; it is not sanitised yet.
 *
 * @param {object} token
 * @param {object} links
 * @param {(address: string) => string} address
 */
export function parseBlock(token, links, address) {
  const tokens = Object.assign([token], { links });
  marked.walkTokens(tokens, (inner) => {
    if (inner.type === "link" || inner.type === "image") inner.href = address(inner.href);
  });
  return marked.parser(tokens);
}

/** Replace each marker with a placeholder, because file names may contain Markdown syntax. */
export function maskMarkers(text, markers) {
  const masked = text.replaceAll(OPEN, "").replaceAll(CLOSE, "");
  const byLength = markers
    .map((marker, index) => ({ marker, index }))
    .sort((a, b) => b.marker.length - a.marker.length);
  return byLength.reduce((rest, { marker, index }) => rest.replaceAll(marker, OPEN + index + CLOSE), masked);
}

export function unmask(text, markers) {
  return text.replace(MASK, (sign, index) => markers[index] ?? sign);
}

/** Return a text without its placeholders. */
export function withoutMarkers(text) {
  return text.replace(MASK, "");
}

/** Split a text at its markers: strings, and for each marker the result of `render`, or the marker if that is null. */
export function splitAtMarkers(text, markers, render) {
  const parts = text.split(MASK); // every second part is the index of a marker
  const shown = parts.map((part, at) => (at % 2 && part in markers ? (render(markers[part]) ?? markers[part]) : part));
  return shown.filter((part) => part !== "");
}
