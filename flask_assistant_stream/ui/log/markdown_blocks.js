/** Markdown without a DOM: a text cut into blocks, a block made HTML, markers kept out of Markdown's way. */
import { Lexer, Marked } from "../vendor/marked.js";

const SIMPLE_TAG = /&lt;(\/?(?:b|br|code|del|em|i|ins|kbd|mark|s|small|strong|sub|sup|u)\s*\/?)&gt;/gi;
const OPEN = "\uE002"; // private use: no marker of Markdown, and in no text that means anything
const CLOSE = "\uE003";
const MASK = /\uE002(\d+)\uE003/g;

const OPTIONS = { gfm: true, breaks: true };
const marked = new Marked({
  ...OPTIONS,
  renderer: {
    // Whoever writes HTML in a chat wants it read: but for a few simple tags it is text.
    html: ({ text, block }) =>
      block ? `<p>${simpleTags(text.trim()).replaceAll("\n", "<br>")}</p>` : simpleTags(text),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** @param {string} text */
export function escape(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (char) => names[char]);
}

function simpleTags(html) {
  return escape(html).replace(SIMPLE_TAG, "<$1>");
}

/**
 * @typedef {object} Block
 * @property {object} token marked's
 * @property {string} raw its text, and whether it is closed: blocks with the same look the same
 * @property {number} length of its text, with what follows up to the next block
 * @property {boolean} closed false for a fence that is still open
 * @property {object} links what references such as [1] mean in this text
 */

/**
 * Cuts a text into its top-level blocks.
 *
 * @param {string} text
 * @param {boolean} done whether the text is whole: then nothing is open
 * @returns {Block[]}
 */
export function blocksOf(text, done) {
  const tokens = new Lexer({ ...marked.defaults, ...OPTIONS }).lex(text);
  const links = JSON.stringify(tokens.links);
  const blocks = [];
  for (const token of tokens) {
    const last = blocks.at(-1);
    if (last && (token.type === "space" || token.type === "def")) {
      last.length += token.raw.length;
    } else {
      const closed = done || token.type !== "code" || isClosed(token.raw);
      blocks.push({
        token,
        raw: `${closed}${links}${token.raw}`,
        length: token.raw.length,
        closed,
        links: tokens.links,
      });
    }
  }
  return blocks;
}

function isClosed(raw) {
  const fence = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1];
  return !fence || (raw.trimEnd().endsWith(fence) && raw.trim().includes("\n"));
}

/** Says how many blocks two lists have in common from their beginning on. */
export function commonPrefix(old, blocks) {
  let same = 0;
  while (same < old.length && same < blocks.length && old[same].raw === blocks[same].raw) same += 1;
  return same;
}

/**
 * Makes HTML of a block; it is not safe yet.
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

/** Puts a sign that Markdown leaves alone in the place of each marker: file names hold what Markdown reads. */
export function maskMarkers(text, markers) {
  const masked = text.replaceAll(OPEN, "").replaceAll(CLOSE, "");
  const byLength = markers
    .map((marker, index) => ({ marker, index }))
    .sort((a, b) => b.marker.length - a.marker.length);
  return byLength.reduce((rest, { marker, index }) => rest.replaceAll(marker, OPEN + index + CLOSE), masked);
}

/** Puts the markers back into a text. */
export function unmask(text, markers) {
  return text.replace(MASK, (sign, index) => markers[index] ?? sign);
}

/** Splits a text at its markers: strings, and in the place of each marker what `made` returns, or the marker. */
export function splitAtMarkers(text, markers, made) {
  const parts = text.split(MASK); // every second one is the number of a marker
  const shown = parts.map((part, at) => (at % 2 && part in markers ? (made(markers[part]) ?? markers[part]) : part));
  return shown.filter((part) => part !== "");
}
