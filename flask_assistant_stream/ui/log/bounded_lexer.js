/** marked's lexer with bounds: a model may write thousands of nested quotes, or marks that take quadratic time. */
import { Lexer } from "../vendor/marked.js";

const MAX_DEPTH = 20; // of blocks in blocks, and of marks in marks; what is deeper is text
const MAX_WORK = 20_000_000; // characters looked at in all steps: a few tenths of a second

export class BoundedLexer extends Lexer {
  #depth = 0;
  #work = 0;

  blockTokens(text, tokens = [], lastParagraphClipped = false) {
    return this.#nested(text, tokens, () => super.blockTokens(text, tokens, lastParagraphClipped));
  }

  inlineTokens(text, tokens = []) {
    return this.#nested(text, tokens, () => super.inlineTokens(text, tokens));
  }

  #nested(text, tokens, lex) {
    if (this.#depth === MAX_DEPTH) {
      tokens.push(plain(text));
      return tokens;
    }
    this.#depth += 1;
    try {
      return lex();
    } finally {
      this.#depth -= 1;
    }
  }

  /** Count a step of the inline rules, each of which may look at the whole rest. Return true if there were too many. */
  spend(rest) {
    this.#work += rest.length;
    return this.#work > MAX_WORK;
  }
}

/** Rules for `marked.use`: when the work is spent, the rest of a paragraph is text. */
export const boundedRules = {
  escape(rest) {
    return this.lexer.spend(rest) && plain(rest); // false: marked's own rule
  },
};

function plain(text) {
  return { type: "text", raw: text, text, escaped: false };
}
