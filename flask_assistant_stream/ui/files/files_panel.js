/** The owner's files in a dialog: add, download, delete. */
import { ask } from "../elements/dialogs.js";
import { element } from "../elements/element.js";
import { icon } from "../elements/icons.js";
import { statusText } from "./files.js";

export class FilesPanel {
  #api;
  #files;

  /** @param {{api: import("../api.js").Api, files: import("./files.js").Files}} parts */
  constructor({ api, files }) {
    this.#api = api;
    this.#files = files;
    this.list = element("ul.file-list");
    this.note = element("div.file-note");
    const input = element("input", { type: "file", multiple: true, hidden: true });
    input.onchange = () => {
      for (const file of input.files) files.upload(file);
      input.value = "";
    };
    this.element = element(
      "dialog.files",
      { ariaLabel: "Files", onclick: (event) => this.#onClick(event) },
      element(
        "div.files-inner",
        {},
        element(
          "header.files-head",
          {},
          element("h2", { text: "Files" }),
          element(
            "button.icon",
            { type: "button", ariaLabel: "Close", title: "Close", onclick: () => this.element.close() },
            icon("close"),
          ),
        ),
        element("p.files-about", { text: "The assistant searches these files in every chat." }),
        element("button.files-add", { type: "button", onclick: () => input.click() }, icon("plus"), "Add files"),
        input,
        this.note,
        this.list,
      ),
    );
    files.addEventListener("change", () => this.element.open && this.#draw());
  }

  async open() {
    this.element.showModal();
    this.#draw();
    await this.#try(() => this.#files.refresh());
  }

  /** Close on a click outside the dialog. Return nothing: a listener that returns false cancels the click. */
  #onClick(event) {
    if (event.target === this.element) this.element.close();
  }

  #draw() {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const { all } = this.#files;
    const placeholder = element("li.file-none", { text: "No files yet. Drop files anywhere on the page." });
    this.list.replaceChildren(...(all.length ? all.map((file) => this.#item(file)) : [placeholder]));
    if (focused) this.list.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #item(file) {
    const name = file.id
      ? element("a.file-name", {
          href: this.#api.fileUrl(file.id),
          download: file.name,
          dir: "auto",
          text: file.name,
          title: `Download ${file.name}`,
        })
      : element("span.file-name", { dir: "auto", text: file.name });
    if (file.id) name.dataset.focus = `name-${file.id}`;
    const remove = element(
      "button.icon",
      {
        type: "button",
        ariaLabel: `Delete ${file.name}`,
        title: `Delete ${file.name}`,
        onclick: () => this.#delete(file),
      },
      icon("trash"),
    );
    const status = element("span.file-status", { text: statusText(file), dataset: { status: file.status } });
    return element("li.file", {}, icon("file"), element("div.file-text", {}, name, status), remove);
  }

  async #delete(file) {
    const text = `Delete “${file.name}”? The assistant can no longer search it.`;
    if (file.id && !(await ask(this.element, { text, yes: "Delete", no: "Keep" }))) return;
    await this.#try(() => this.#files.remove(file));
    this.#draw();
  }

  async #try(action) {
    this.note.replaceChildren();
    try {
      await action();
    } catch (error) {
      this.note.replaceChildren(element("p", { role: "alert", text: error.message }));
    }
  }
}
