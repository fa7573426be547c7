/** Citations of a message: their numbers, links and the list of sources. The first half is pure. */

import { element } from "../elements/element.js";

/**
 * @typedef {{number: ?number, name: string, url: string, page: boolean}} Source
 *   `number`: null for a generated file, which is not a source; `page`: true for a web page, false for a file.
 */

// Private-use characters enclose the number of a cited page, because the API has no marker for pages.
const [OPEN, CLOSE] = ["\uE002", "\uE003"];
const MARKER_NAME = /†(.+?)】$/;
const SANDBOX = /^sandbox:/;
const LINK_IN_PARENTHESES = /^\s?\(?\[[^\]]*\]\([^)\s]*\)\)?$/;

/** The citations of one message. */
export class Citations {
  /** @type {Source[]} */
  sources = [];
  #byUrl = new Map();
  #byMarker = new Map();

  /**
   * @param {import("../thread/entries.js").Part[]} parts
   * @param {(fileId: string) => (string|null)} fileUrl
   */
  constructor(parts, fileUrl) {
    for (const { annotations = [], links = [] } of parts) {
      for (const note of annotations) this.#cite(note, fileUrl);
      for (const link of links) this.#citePage(link);
    }
  }

  #cite(note, fileUrl) {
    const fileId = (note.file_citation ?? note.file_path)?.file_id;
    const url = fileUrl(fileId);
    if (!url || !note.text) return;
    const name = fileName(note.text) || fileId;
    const generated = { number: null, name, url, page: false };
    this.#byMarker.set(note.text, note.file_path ? generated : this.#source(url, name, false));
  }

  #citePage({ url, title }) {
    const address = webAddress(url);
    if (address)
      this.#byMarker.set(
        pageMarker(this.#source(address, title || new URL(address).host, true)),
        this.#byUrl.get(address),
      );
  }

  #source(url, name, page) {
    if (!this.#byUrl.has(url)) {
      this.sources.push({ number: this.sources.length + 1, name, url, page });
      this.#byUrl.set(url, this.sources.at(-1));
    }
    return this.#byUrl.get(url);
  }

  /** Return the markers in the text. */
  get markers() {
    return [...this.#byMarker.keys()];
  }

  /** Return the source of a marker, or undefined. */
  sourceOf(marker) {
    return this.#byMarker.get(marker);
  }

  /** Return a text part's Markdown, with a marker for each cited page. */
  markdown(part) {
    return part.links.length ? this.#withPages(part.text, part.links) : part.text;
  }

  /** Return a part's text for copying, with numbers instead of markers. */
  plain(part) {
    let text = part.text ?? "";
    for (const [marker, { number, name }] of this.#byMarker) {
      if (!SANDBOX.test(marker)) text = text.replaceAll(marker, number ? ` [${number}]` : name);
    }
    return text;
  }

  #withPages(text, links) {
    const points = Array.from(text); // the API counts code points
    const placed = [...links].sort((a, b) => (b.end_index ?? 0) - (a.end_index ?? 0));
    for (const { url, start_index: start = 0, end_index: end = points.length } of placed) {
      const source = this.#byUrl.get(webAddress(url));
      if (!source) continue;
      const whole = LINK_IN_PARENTHESES.test(points.slice(start, end).join("")); // the range is only the link
      points.splice(whole ? start : end, whole ? end - start : 0, pageMarker(source));
    }
    return points.join("");
  }
}

const pageMarker = (source) => `${OPEN}${source.number}${CLOSE}`;

function fileName(marker) {
  return marker.match(MARKER_NAME)?.[1] ?? (SANDBOX.test(marker) ? marker.split("/").at(-1) : "");
}

/** Return a normalised http(s) URL, or null for any other. */
export function webAddress(url) {
  try {
    const { protocol, href } = new URL(url);
    return protocol === "https:" || protocol === "http:" ? href : null;
  } catch {
    return null;
  }
}

// -- DOM --------------------------------------------------------------------------------------------------------

/** Return the element of a marker: a numbered chip, or a link to a generated file. */
export function mark(source) {
  if (!source.number) return element("a.generated-file", { ...target(source), text: source.name, dir: "auto" });
  return element("a.citation", {
    ...target(source),
    ariaLabel: `Citation ${source.number}: ${source.name}`,
    title: source.name,
    text: String(source.number),
  });
}

/** Return the list of sources, or null without any. */
export function sourceList(sources) {
  if (!sources.length) return null;
  const items = sources.map((source) => {
    const name = element("a", { ...target(source), text: source.name, dir: "auto" });
    const where = source.page ? element("span.host", { text: new URL(source.url).host }) : null;
    return element("li", {}, element("span.number", { text: String(source.number), ariaHidden: "true" }), name, where);
  });
  return element(
    "div.sources",
    {},
    element("p.caption", { text: "Sources", ariaHidden: "true" }),
    element("ol", { ariaLabel: "Sources" }, ...items),
  );
}

function target({ url, page }) {
  return { href: url, target: "_blank", rel: page ? "noopener noreferrer nofollow" : "noopener" };
}
