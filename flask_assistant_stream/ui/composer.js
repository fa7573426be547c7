/** The message box: text, attached files, send and stop. Drafts survive a reload and a failed request. */
import { element } from "./elements/element.js";
import { icon } from "./elements/icons.js";
import { remedy } from "./errors.js";
import { statusText } from "./files/files.js";

const MAX_HEIGHT_SHARE = 0.4; // of the window
const MAX_ATTACHMENTS = 10;
const DRAFT = "assistant-chat.draft.";

export class Composer {
  #files;
  #on;
  #attached = [];
  #thread; // undefined until a thread, or null for a new one, is shown
  #others = new Map(); // thread → its attached files, while another one is shown
  #busy = false;
  #sending = false;

  /**
   * @param {object} parts
   * @param {import("./files/files.js").Files} parts.files
   * @param {{send: (content: string, attachments: object[]) => Promise<void>, stop: () => void}} parts.on
   *   `send` rejects if the message was not stored; the message then returns to the box
   */
  constructor({ files, on }) {
    this.#files = files;
    this.#on = on;
    this.box = element("textarea", {
      ariaLabel: "Message",
      placeholder: "Write a message",
      rows: 1,
      dir: "auto",
      enterKeyHint: "send",
    });
    this.box.oninput = () => this.#onInput();
    this.box.onkeydown = (event) => this.#onKey(event);
    this.box.onpaste = (event) => this.#onPaste(event);
    this.alert = element("div.composer-alert");
    this.chips = element("ul.attachments", { hidden: true, ariaLabel: "Attached files" });
    this.button = element("button.send", { type: "submit" });
    this.input = element("input", { type: "file", multiple: true, hidden: true, tabIndex: -1 });
    this.input.onchange = () => {
      this.attach(this.input.files);
      this.input.value = "";
    };
    const attach = element(
      "button.icon.attach",
      { type: "button", ariaLabel: "Attach files", title: "Attach files", onclick: () => this.input.click() },
      icon("paperclip"),
    );
    const row = element("div.composer-row", {}, attach, this.input, this.box, this.button);
    const form = element("form.composer-form", {}, this.chips, row);
    form.onsubmit = (event) => {
      event.preventDefault();
      if (this.#busy) on.stop();
      else this.submit();
    };
    form.onclick = (event) => {
      if ([form, row].includes(event.target)) this.box.focus();
    };
    this.element = element("div.composer", {}, this.alert, form);
    files.addEventListener("change", () => this.#drawChips());
    this.#drawButton();
  }

  /** Show the draft of another thread. */
  setThread(id) {
    if (id === this.#thread) return;
    this.#others.set(this.#thread, this.#attached);
    this.#attached = this.#others.get(id) ?? [];
    this.#thread = id;
    this.#write(sessionStorage.getItem(DRAFT + (id ?? "")) ?? "");
    this.#drawChips();
  }

  /** Move the current draft to another thread's id, null for a new one. */
  setNewId(id) {
    sessionStorage.removeItem(DRAFT + (this.#thread ?? ""));
    this.#thread = id;
    this.#keepDraft();
  }

  /** @param {boolean} busy true if a run can be stopped */
  setBusy(busy) {
    this.#busy = busy;
    this.#drawButton();
  }

  /** @param {Iterable<File>} selected */
  attach(selected) {
    const room = MAX_ATTACHMENTS - this.#attached.length;
    const files = [...selected];
    for (const file of files.slice(0, room)) this.#attached.push(this.#files.upload(file));
    if (files.length > room) this.showAlert(`A message can have ${MAX_ATTACHMENTS} files. The rest were not attached.`);
    this.#drawChips();
    this.box.focus();
  }

  /** Send a text, by default the text in the box. */
  async submit(text = this.box.value) {
    const files = this.#attached.map((file) => this.#files.current(file)).filter(({ status }) => status !== "failed");
    const uploading = files.some(({ id }) => !id);
    if (!text.trim() || this.#busy || this.#sending) return;
    if (uploading) return void this.showAlert("Wait until the upload has finished.");
    this.showAlert(null);
    const attached = this.#attached;
    const thread = this.#thread;
    this.#sending = true;
    this.#attached = [];
    this.#write("");
    this.#keepDraft();
    this.#drawChips();
    try {
      await this.#on.send(
        text,
        files.map(({ id }) => ({ file_id: id, tools: [{ type: "file_search" }] })),
      );
    } catch (error) {
      if (thread === this.#thread) this.#restore(text, attached, error);
      else this.#restoreOther(thread, text, attached);
    } finally {
      this.#sending = false;
      this.#drawButton();
    }
  }

  /**
   * Show an error above the box; null removes it.
   *
   * @param {string|null} text
   * @param {{text: string, onclick: () => void}} [action] a button
   */
  showAlert(text, action) {
    const button = action && element("button.link", { type: "button", ...action });
    // Screen readers announce a new alert element, not a changed one.
    this.alert.replaceChildren(...(text ? [element("div", { role: "alert" }, element("span", { text }), button)] : []));
  }

  #restore(text, attached, error) {
    this.#attached = [...attached, ...this.#attached].slice(0, MAX_ATTACHMENTS);
    this.#write([text, this.box.value].filter(Boolean).join("\n\n"));
    this.#keepDraft();
    this.#drawChips();
    if (error.name !== "AbortError") this.showAlert(error.message, error.action ?? remedy(error, () => this.submit()));
    this.box.focus();
  }

  #restoreOther(thread, text, attached) {
    const key = DRAFT + (thread ?? "");
    sessionStorage.setItem(key, [text, sessionStorage.getItem(key)].filter(Boolean).join("\n\n"));
    this.#others.set(thread, [...attached, ...(this.#others.get(thread) ?? [])].slice(0, MAX_ATTACHMENTS));
  }

  #write(text) {
    this.box.value = text;
    this.#fit();
    this.#drawButton();
  }

  #onInput() {
    this.#fit();
    this.#keepDraft();
    this.#drawButton();
  }

  #keepDraft() {
    const key = DRAFT + (this.#thread ?? "");
    if (this.box.value) sessionStorage.setItem(key, this.box.value);
    else sessionStorage.removeItem(key);
  }

  #onKey(event) {
    // During composition Enter accepts the suggestion. Safari reports it only by the key code.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  #onPaste(event) {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    this.attach(event.clipboardData.files);
  }

  #fit() {
    this.box.style.height = "";
    if (this.box.value) this.box.style.height = `${Math.min(this.box.scrollHeight, innerHeight * MAX_HEIGHT_SHARE)}px`;
  }

  #drawButton() {
    const name = this.#busy ? "Stop" : "Send";
    // Not `disabled`: that would drop the focus of a user who pressed Stop.
    this.button.setAttribute("aria-disabled", String(!this.#busy && (this.#sending || !this.box.value.trim())));
    if (this.button.ariaLabel === name) return;
    this.button.setAttribute("aria-label", name);
    this.button.title = this.#busy ? "Stop (Esc)" : "Send (Enter)";
    this.button.replaceChildren(icon(this.#busy ? "stop" : "send"));
  }

  #drawChips() {
    this.chips.hidden = !this.#attached.length;
    this.chips.replaceChildren(...this.#attached.map((file) => this.#chip(file)));
  }

  #chip(attachment) {
    const file = this.#files.current(attachment);
    const status = element("span.attachment-status", {
      text: statusText(file),
      title: statusText(file),
      dataset: { status: file.status },
    });
    const name = element("span.attachment-name", { dir: "auto", text: file.name });
    const onRemove = () => {
      this.#attached = this.#attached.filter((other) => other !== attachment);
      if (!file.id) this.#files.remove(attachment);
      this.#drawChips();
      this.box.focus();
    };
    const remove = element(
      "button.icon",
      { type: "button", ariaLabel: `Remove ${file.name}`, title: `Remove ${file.name}`, onclick: onRemove },
      icon("close"),
    );
    return element("li.attachment", {}, icon("file"), element("div.attachment-text", {}, name, status), remove);
  }
}
