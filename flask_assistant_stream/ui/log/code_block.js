/** A code block: language, copy button, and highlighting once the block is complete. */
import { copyButton } from "../elements/clipboard.js";
import { element } from "../elements/element.js";
import DOMPurify from "../vendor/dompurify.js";
import highlighter from "../vendor/highlight.js";
import { setText } from "./plain_text.js";

const MAX_HIGHLIGHTED_CHARS = 50_000;
const purifier = DOMPurify(window);
const SPANS = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true };

/**
 * @param {string} text
 * @param {string} [info] the text after the fence; its first word is the language
 * @param {boolean} closed true if the text is complete
 * @returns {{node: HTMLElement, append: (text: string) => void}} `append` takes the whole longer text
 */
export function codeBlock(text, info, closed) {
  const language = (info ?? "").trim().split(/\s/)[0];
  const code = element("code", {}, document.createTextNode(text));
  if (closed) highlight(code, text, language);
  const node = element(
    "div.code",
    {},
    element(
      "div.code-head",
      {},
      element("span.code-language", { text: language }),
      copyButton("Copy", () => code.textContent),
    ),
    element("pre", { tabIndex: 0 }, code),
  );
  return { node, append: (longer) => setText(code.firstChild, longer) };
}

function highlight(code, text, language) {
  if (text.length > MAX_HIGHLIGHTED_CHARS || !highlighter.getLanguage(language)) return;
  const { value } = highlighter.highlight(text, { language, ignoreIllegals: true });
  code.replaceChildren(purifier.sanitize(value, SPANS));
}
