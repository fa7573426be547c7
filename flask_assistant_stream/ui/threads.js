/** The sidebar: the owner's threads, last used first. Threads can be created, opened, renamed and deleted. */
import { ask } from "./elements/dialogs.js";
import { element } from "./elements/element.js";
import { icon } from "./elements/icons.js";
import { remedy } from "./errors.js";
import { isId, path, withQuery } from "./paths.js";

const PAGE = 50;
const UNTITLED = "New chat";
const NEAR_END_PX = 200;
const LATE_TITLE_MS = [500, 2000, 6000, 15000];

export class Threads {
  #api;
  #announcer;
  #on;
  /** @type {Map<string, {id: string, title: string|null, used: number}>} */
  #threads = new Map();
  #current = null;
  #last = null; // last id of the pages loaded so far
  #more = true;
  #refused = null; // a last id that the server did not accept
  #loading = null;
  #renaming = null;

  /**
   * @param {object} parts
   * @param {import("./api.js").Api} parts.api
   * @param {import("./elements/announcer.js").Announcer} parts.announcer
   * @param {{open: (id: string|null) => void, address: (id: string|null) => string, deleted: (id: string) => void,
   *   changed: () => void, failed: (error: Error) => void}} parts.on
   *   `open`: the user chose a thread, null for a new one; `address`: its URL; `deleted`: it was deleted;
   *   `changed`: titles may have changed; `failed`: the list could not be loaded
   */
  constructor({ api, announcer, on }) {
    this.#api = api;
    this.#announcer = announcer;
    this.#on = on;
    this.list = element("ul.thread-list");
    this.note = element("p.thread-note", { hidden: true });
    this.scroller = element("div.thread-scroll", { onscroll: () => this.#onScroll() }, this.list, this.note);
    const newChat = element(
      "button.new-chat",
      { type: "button", onclick: () => on.open(null) },
      icon("plus"),
      "New chat",
    );
    this.element = element("nav.threads", { ariaLabel: "Threads" }, newChat, this.scroller);
  }

  /** Load the first page again; another tab may have changed it. */
  refresh() {
    return this.#read(null);
  }

  /** @param {string|null} id the open thread; it is loaded alone if the list does not have it yet */
  async setCurrent(id) {
    this.#current = id;
    this.#draw();
    await this.#loading;
    if (!id || this.#threads.has(id)) return;
    const thread = await this.#api.json("GET", path`/threads/${id}`).catch(() => null); // the log shows the error
    if (thread && !this.#threads.has(id)) this.#add(thread);
    this.#draw();
  }

  titleOf(id) {
    return this.#threads.get(id)?.title ?? null;
  }

  /** Mark a thread as used now; adds a new one. */
  markUsed(id) {
    if (!isId(id)) return;
    this.#threads.set(id, { id, title: this.titleOf(id), used: Date.now() / 1000 });
    this.#draw();
  }

  setTitle(id, title) {
    if (!isId(id)) return;
    if (!this.#threads.has(id)) this.markUsed(id);
    this.#threads.get(id).title = title;
    this.#draw();
  }

  /** Poll for a title that was written after the answer ended; no stream reports it. */
  async pollTitle(id) {
    for (const wait of LATE_TITLE_MS) {
      await new Promise((done) => setTimeout(done, wait));
      if (this.titleOf(id) || !this.#threads.has(id)) return;
      const { title } = await this.#api.json("GET", path`/threads/${id}`).catch(() => ({}));
      if (title && this.#threads.has(id)) this.setTitle(id, title);
    }
  }

  async #read(after) {
    if (this.#loading) return this.#loading;
    this.#loading = this.#api
      .json("GET", withQuery("/threads", { limit: PAGE, after }))
      .then(
        (page) => this.#addPage(page, after),
        (error) => this.#failed(error, after),
      )
      .finally(() => (this.#loading = null));
    return this.#loading;
  }

  #addPage(page, after) {
    if (!after) this.#dropDeleted(page);
    for (const thread of page.data) if (isId(thread.id)) this.#add(thread);
    if (after || !this.#last) [this.#last, this.#more] = [page.last_id, page.has_more];
    this.note.hidden = this.#threads.size > 0;
    this.note.textContent = "No chats yet.";
    this.#draw();
    requestAnimationFrame(() => this.#onScroll()); // a tall window may need a second page
  }

  #add({ id, title, created_at, updated_at }) {
    const used = Math.max(updated_at ?? created_at, this.#threads.get(id)?.used ?? 0);
    this.#threads.set(id, { id, title: title || null, used });
  }

  /** Drop deleted threads. Only a first page that is the whole list shows which ones were deleted. */
  #dropDeleted({ data, has_more }) {
    if (has_more) return;
    const listed = new Set(data.map(({ id }) => id));
    for (const id of this.#threads.keys()) if (!listed.has(id) && id !== this.#current) this.#threads.delete(id);
  }

  #failed(error, after) {
    if (after && after !== this.#refused && [400, 404].includes(error.status)) {
      this.#refused = after; // the last thread of the page was deleted elsewhere
      return this.#restart();
    }
    if (!after && this.#last) return; // keep the list that is already shown
    if (!after) this.#on.failed(error);
    const action = after && remedy(error, () => this.#read(after));
    const button = action && element("button.link", { type: "button", ...action });
    this.note.replaceChildren(error.message, ...(button ? [" ", button] : []));
    this.note.hidden = false;
  }

  /** Read the pages again from the first one. */
  #restart() {
    this.#last = null;
    setTimeout(() => this.refresh());
  }

  #onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    const near = scrollTop + clientHeight > scrollHeight - NEAR_END_PX;
    if (near && this.#more && this.#last && !this.#loading && this.note.hidden) this.#read(this.#last);
  }

  #draw() {
    this.#on.changed();
    if (this.#renaming) return;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    const sorted = [...this.#threads.values()].sort((a, b) => b.used - a.used);
    this.list.replaceChildren(...sorted.map((thread) => this.#item(thread)));
    if (sorted.length) this.note.hidden = true;
    if (focused) this.list.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #item(thread) {
    const name = thread.title ?? UNTITLED;
    const link = element("a.thread-link", { href: this.#on.address(thread.id), dir: "auto", text: name, title: name });
    link.dataset.focus = thread.id;
    if (thread.id === this.#current) link.setAttribute("aria-current", "page");
    link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return; // let the browser open a new tab
      event.preventDefault();
      this.#on.open(thread.id);
    };
    const item = element("li.thread", {}, link);
    const rename = action("pencil", `Rename ${name}`, `rename-${thread.id}`, () => this.#rename(thread, item));
    const remove = action("trash", `Delete ${name}`, `delete-${thread.id}`, () => this.#delete(thread, name));
    item.append(element("div.thread-actions", {}, rename, remove));
    return item;
  }

  #rename(thread, item) {
    this.#renaming = thread.id;
    const box = element("input.thread-title", {
      ariaLabel: "Title",
      dir: "auto",
      maxLength: 200,
      value: thread.title ?? "",
    });
    const finish = (save) => {
      if (this.#renaming !== thread.id) return;
      this.#renaming = null;
      if (save && box.value.trim() && box.value.trim() !== thread.title) this.#saveTitle(thread, box.value.trim());
      this.#draw();
      this.list.querySelector(`[data-focus="${CSS.escape(`rename-${thread.id}`)}"]`)?.focus();
    };
    box.onkeydown = (event) => {
      if (event.isComposing || !["Enter", "Escape"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      finish(event.key === "Enter");
    };
    box.onblur = () => finish(true);
    item.replaceChildren(box);
    box.select();
    box.focus();
  }

  async #saveTitle(thread, title) {
    const before = thread.title;
    this.setTitle(thread.id, title);
    try {
      await this.#api.json("PATCH", path`/threads/${thread.id}`, { title });
    } catch (error) {
      this.setTitle(thread.id, before);
      await ask(this.element, { text: `The title was not saved. ${error.message}`, no: "Close" });
    }
  }

  async #delete(thread, name) {
    const text = `Delete “${name}”? Its messages cannot be restored.`;
    if (!(await ask(this.element, { text, yes: "Delete", no: "Keep" }))) return;
    try {
      await this.#api.json("DELETE", path`/threads/${thread.id}`);
    } catch (error) {
      if (error.status !== 404)
        return void ask(this.element, { text: `The chat was not deleted. ${error.message}`, no: "Close" });
    }
    this.#threads.delete(thread.id);
    if (thread.id === this.#last) this.#restart();
    this.#draw();
    this.element.querySelector(".new-chat").focus(); // the pressed button no longer exists
    this.#announcer.say("Chat deleted");
    this.#on.deleted(thread.id);
  }
}

function action(name, label, focus, onclick) {
  return element(
    "button.icon",
    { type: "button", ariaLabel: label, title: label, dataset: { focus }, onclick },
    icon(name),
  );
}
