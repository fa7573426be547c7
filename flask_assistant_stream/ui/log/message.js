/** One message of the log. */

import { copyButton } from "../elements/clipboard.js";
import { element } from "../elements/element.js";
import { Citations, mark, sourceList } from "./citations.js";
import { MarkdownView } from "./markdown.js";
import { PlainText } from "./plain_text.js";

const NOTES = {
  sending: "Sending…",
  run_cancelled: "Stopped",
  run_failed: "Interrupted",
  run_expired: "Interrupted",
  max_tokens: "Cut short",
  content_filter: "Cut short by the content filter",
};

export class MessageView {
  #context;
  #entry;
  #citations;
  #parts = []; // {type, element, update(part, entry)}
  #body = element("div.body");
  #foot = element("div.foot");
  #sources = null;
  #cited = "";
  #copy = null;

  constructor(entry, context) {
    this.#context = context;
    const user = entry.role === "user";
    this.element = element(
      `article.message.${user ? "user" : "assistant"}`,
      { ariaLabel: user ? "You" : "Assistant" },
      this.#body,
      this.#foot,
    );
    this.update(entry);
  }

  update(entry) {
    this.#entry = entry;
    const writing = entry.status === "in_progress";
    this.element.classList.toggle("writing", writing);
    this.element.setAttribute("aria-busy", String(writing));
    this.element.classList.toggle("pending", entry.status === "sending");
    this.element.classList.toggle("refused", entry.status === "refused");
    if (entry.role === "user") this.#updateUser(entry);
    else this.#updateAssistant(entry);
  }

  #updateUser(entry) {
    if (!this.#body.hasChildNodes()) {
      const { images } = this.#context;
      this.#body.append(...entry.parts.map((part) => (part.type === "image" ? images.figure(part) : new PlainText(part.text).element)));
      if (entry.attachments.length) this.#body.append(attachments(entry.attachments, this.#context));
    }
    const note = entry.status === "refused" ? `Not sent. ${entry.error ?? ""}` : NOTES[entry.status];
    this.#foot.replaceChildren(...(note ? [element("p.note", { text: note })] : []));
  }

  #updateAssistant(entry) {
    const { api, images } = this.#context;
    this.#citations = new Citations(entry.parts, (id) => api.fileUrl(id));
    const done = entry.status !== "in_progress";
    for (const extra of this.#parts.splice(entry.parts.length)) extra.element.remove();
    entry.parts.forEach((part, index) => {
      const current = this.#parts[index];
      if (!current || current.type !== part.type) this.#add(index, part, images);
      this.#parts[index].update(part, done);
    });
    this.#updateSources(this.#citations);
    if (done) this.#updateFoot(entry);
  }

  #add(index, part, images) {
    const view = this.#view(part, images);
    this.#parts[index]?.element.remove();
    this.#parts[index] = view;
    this.#body.insertBefore(view.element, this.#sources);
  }

  #view(part, images) {
    if (part.type === "image") return { type: "image", element: images.figure(part), update() {} };
    if (part.type === "refusal") {
      const text = element("p.refusal", { dir: "auto" });
      return { type: "refusal", element: text, update: (refusal) => (text.textContent = refusal.text) };
    }
    const target = element("div.markdown", { dir: "auto" });
    const view = new MarkdownView(target, {
      annotate: (marker) => this.#mark(marker),
      markers: () => this.#citations.markers,
      link: (address) => this.#citations.sourceOf(address)?.url,
    });
    return {
      type: "text",
      element: target,
      update: (text, done) => view.update(this.#citations.markdown(text), { done }),
    };
  }

  #mark(marker) {
    const source = this.#citations.sourceOf(marker);
    return source ? mark(source) : null;
  }

  #updateSources({ sources }) {
    const cited = JSON.stringify(sources);
    if (cited === this.#cited) return;
    this.#cited = cited;
    this.#sources?.remove();
    this.#sources = sourceList(sources);
    if (this.#sources) this.#body.append(this.#sources);
  }

  #updateFoot(entry) {
    const note = entry.status === "incomplete" ? (NOTES[entry.reason] ?? "Cut short") : null;
    this.#copy ??= copyMessage(() => this.#text());
    this.#foot.replaceChildren(
      ...[note && element("p.note", { text: note }), this.#text() && this.#copy].filter(Boolean),
    );
  }

  #text() {
    return this.#entry.parts
      .map((part) => this.#citations.plain(part))
      .join("\n\n")
      .trim();
  }
}

function copyMessage(text) {
  const button = copyButton("Copy", text);
  button.setAttribute("aria-label", "Copy message");
  return button;
}

function attachments(files, { api, fileNames }) {
  const items = files.map(({ file_id: id }) => {
    const link = element("a", {
      href: api.fileUrl(id),
      target: "_blank",
      rel: "noopener",
      dir: "auto",
      text: id,
    });
    fileNames.name(id).then((name) => (link.textContent = name));
    return element("li", {}, link);
  });
  return element("ul.attached", { ariaLabel: "Attachments" }, ...items);
}
