/** Where a message is written: text, attached files, send and stop. Nothing that was typed is lost. */
import { element } from "./elements/element.js";
import { icon } from "./elements/icons.js";
import { statusText } from "./files/files.js";

const MAX_HEIGHT_SHARE = 0.4; // of the window
const MAX_ATTACHMENTS = 10;
const DRAFT = "assistant-chat.draft.";

export class Composer {
  #files;
  #on;
  #attached = [];
  #thread = null;
  #busy = false;
  #sending = false;

  /**
   * @param {object} parts
   * @param {import("./files/files.js").Files} parts.files
   * @param {{send: (content: string, attachments: object[]) => Promise<void>, stop: () => void}} parts.on
   *   `send` rejects where the message was not taken: it stands in the box again
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

  /** Shows the draft of another thread. */
  setThread(id) {
    if (id === this.#thread) return;
    this.#thread = id;
    this.#write(sessionStorage.getItem(DRAFT + (id ?? "")) ?? "");
  }

  /** The new thread has got its id: what is being written belongs to it. */
  threadIs(id) {
    sessionStorage.removeItem(DRAFT + (this.#thread ?? ""));
    this.#thread = id;
    this.#keepDraft();
  }

  /** @param {boolean} busy whether there is something to stop */
  setBusy(busy) {
    this.#busy = busy;
    this.#drawButton();
  }

  /** @param {Iterable<File>} given */
  attach(given) {
    const room = MAX_ATTACHMENTS - this.#attached.length;
    const taken = [...given];
    for (const file of taken.slice(0, room)) this.#attached.push(this.#files.upload(file));
    if (taken.length > room) this.say(`A message takes ${MAX_ATTACHMENTS} files; the others were left out.`);
    this.#drawChips();
    this.box.focus();
  }

  /** Writes a text into the box and sends it. */
  async submit(text = this.box.value) {
    const files = this.#attached.map((file) => this.#files.now(file)).filter(({ status }) => status !== "failed");
    const uploading = files.some(({ id }) => !id);
    if (!text.trim() || this.#busy || this.#sending) return;
    if (uploading) return void this.say("A file is still being uploaded.");
    this.say(null);
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
      if (thread === this.#thread) this.#giveBack(text, attached, error);
      else sessionStorage.setItem(DRAFT + (thread ?? ""), text);
    } finally {
      this.#sending = false;
      this.#drawButton();
    }
  }

  /** Shows an error above the box, with another try where one is given; null takes it away. */
  say(text, again) {
    const button = again && element("button.link", { type: "button", text: "Try again", onclick: again });
    // An alert is made anew each time: that is what has it read out.
    this.alert.replaceChildren(...(text ? [element("div", { role: "alert" }, element("span", { text }), button)] : []));
  }

  #giveBack(text, attached, error) {
    this.#attached = [...attached, ...this.#attached].slice(0, MAX_ATTACHMENTS);
    this.#write([text, this.box.value].filter(Boolean).join("\n\n"));
    this.#keepDraft();
    this.#drawChips();
    if (error.name !== "AbortError") this.say(error.message, () => this.submit());
    this.box.focus();
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
    // While an input method composes, Enter takes its suggestion; Safari tells it by the code alone.
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
    this.button.disabled = !this.#busy && (this.#sending || !this.box.value.trim());
    if (this.button.ariaLabel === name) return;
    this.button.setAttribute("aria-label", name);
    this.button.title = this.#busy ? "Stop (Esc)" : "Send (Enter)";
    this.button.replaceChildren(icon(this.#busy ? "stop" : "send"));
  }

  #drawChips() {
    this.chips.hidden = !this.#attached.length;
    this.chips.replaceChildren(...this.#attached.map((file) => this.#chip(file)));
  }

  #chip(given) {
    const file = this.#files.now(given);
    const status = element("span.attachment-status", {
      text: statusText(file),
      title: statusText(file),
      dataset: { status: file.status },
    });
    const name = element("span.attachment-name", { dir: "auto", text: file.name });
    const drop = () => {
      this.#attached = this.#attached.filter((other) => other !== given);
      if (!file.id) this.#files.remove(given);
      this.#drawChips();
      this.box.focus();
    };
    const remove = element(
      "button.icon",
      { type: "button", ariaLabel: `Remove ${file.name}`, title: `Remove ${file.name}`, onclick: drop },
      icon("close"),
    );
    return element("li.attachment", {}, icon("file"), element("div.attachment-text", {}, name, status), remove);
  }
}
