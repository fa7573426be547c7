/** The chat page: builds its parts in the document and keeps the address and the open thread in sync. */
import { Api } from "./api.js";
import { Composer } from "./composer.js";
import { Announcer } from "./elements/announcer.js";
import { element } from "./elements/element.js";
import { icon } from "./elements/icons.js";
import { remedy } from "./errors.js";
import { dropZone } from "./files/drop_zone.js";
import { Files } from "./files/files.js";
import { FilesPanel } from "./files/files_panel.js";
import { basePath, isId } from "./paths.js";
import { Theme } from "./theme.js";
import { OpenThread } from "./thread/open_thread.js";
import { Threads } from "./threads.js";

const PARAMETER = "thread";

class Chat {
  /** @type {OpenThread|null} */
  #open = null;

  /**
   * @param {HTMLElement} root
   * @param {Object<string, Function>} tools functions in the page that a run may call, by name
   */
  constructor(root, tools) {
    const token = root.dataset.csrfToken ?? document.querySelector('meta[name="csrf-token"]')?.content;
    this.root = root;
    this.tools = tools;
    this.title = document.title;
    this.api = new Api({ base: basePath(root.dataset.base, location), csrfToken: token });
    this.status = element("div.assistant-offscreen", { attributes: { role: "status", "aria-live": "polite" } });
    this.announcer = new Announcer(this.status);
    this.theme = new Theme(root);
    this.files = new Files(this);
    this.panel = new FilesPanel(this);
    this.composer = new Composer({
      files: this.files,
      on: { send: (...message) => this.#send(...message), stop: () => this.#stop() },
    });
    this.threads = new Threads({
      api: this.api,
      announcer: this.announcer,
      on: {
        open: (id) => this.#go(id),
        address: (id) => addressOf(id),
        deleted: (id) => id === this.#open?.threadId && this.#leave(),
        changed: () => this.#drawTitle(),
        failed: (error) => this.#failed(error),
      },
    });
    this.#layOut();
    this.#listen();
    this.threads.refresh();
    this.#show(threadOfAddress());
    if (this.#isWholePage) this.composer.box.focus();
  }

  /** True for the page at the prefix, false inside a host's page. */
  get #isWholePage() {
    return this.root.parentElement.matches(".assistant-page");
  }

  #layOut() {
    const { root } = this;
    this.heading = element("h1.bar-title", { dir: "auto" });
    this.logPlace = element("div.log-place");
    this.empty = element("div.empty", {}, ...welcome(suggestionsOf(root), (text) => this.composer.submit(text)));
    const themeButton = element(
      "button.icon",
      { type: "button", ariaLabel: "Theme", onclick: () => this.#nextTheme(themeButton) },
      icon("theme"),
    );
    themeButton.title = `Theme: ${this.theme.name}`;
    this.menu = element(
      "button.icon.menu",
      { type: "button", ariaLabel: "Threads", ariaExpanded: "false", onclick: () => this.#toggleSidebar() },
      icon("menu"),
    );
    const bar = element(
      "header.bar",
      {},
      this.menu,
      this.heading,
      element(
        "button.icon",
        { type: "button", ariaLabel: "Files", title: "Files", onclick: () => this.panel.open() },
        icon("folder"),
      ),
      themeButton,
    );
    // A page has one <main>. Inside the host's <main> this is a <div>.
    const main = element(
      root.closest("main") ? "div.main" : "main.main",
      {},
      bar,
      this.logPlace,
      this.empty,
      this.composer.element,
    );
    const toMessage = (event) => {
      event.preventDefault(); // the address stays
      this.composer.box.focus();
    };
    const skip = element("a.skip", { href: "#message", text: "Skip to the message", onclick: toMessage });
    const shade = element("div.shade", { onclick: () => this.#toggleSidebar(false) });
    root.replaceChildren(skip, this.threads.element, shade, main, this.panel.element, this.status);
    dropZone(root, (files) => this.#dropped(files));
  }

  #listen() {
    addEventListener("popstate", () => this.#show(threadOfAddress()));
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      if (this.root.dataset.sidebar) this.#toggleSidebar(false);
      else if (this.#open?.busy) this.#stop();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.threads.refresh();
    });
  }

  /** Navigate to a thread; null opens a new one. */
  #go(id) {
    if (id !== threadOfAddress()) history.pushState(null, "", addressOf(id));
    this.#toggleSidebar(false);
    this.#show(id);
    this.composer.box.focus();
  }

  /** Leave a deleted thread for a new one. Replaces the history entry, so Back does not return to it. */
  #leave() {
    history.replaceState(null, "", addressOf(null));
    this.#show(null);
  }

  #show(id) {
    if (id !== null && !isId(id)) return this.#missing();
    this.#open?.close();
    const log = element("div.log", { tabIndex: 0, ariaLabel: "Conversation", attributes: { role: "log" } });
    this.logPlace.replaceChildren(log);
    this.#open = this.#openThread(log);
    this.composer.showAlert(null);
    this.composer.setThread(id);
    this.composer.setBusy(false);
    this.threads.setCurrent(id);
    this.#setEmpty(id === null);
    return this.#load(this.#open, id);
  }

  async #load(open, id) {
    try {
      await open.open(id);
    } catch (error) {
      if (open !== this.#open) return;
      if (error.status === 404) this.#missing();
      else this.#failed(error);
    }
  }

  /** Offer a new chat in place of a thread that does not exist, or belongs to another owner. */
  #missing() {
    this.#leave();
    this.composer.showAlert("This chat does not exist. Your next message starts a new one.");
  }

  /** Report that the page could not load: the user is not logged in, or the server is unreachable. */
  #failed(error) {
    const retry = () => {
      this.threads.refresh();
      this.#show(threadOfAddress());
    };
    this.composer.showAlert(error.message, remedy(error, retry));
  }

  #openThread(log) {
    const open = new OpenThread({ api: this.api, announcer: this.announcer, log, tools: this.tools });
    const on = (name, listener) => open.addEventListener(name, (event) => listener(event.detail ?? {}));
    on("busy", () => {
      if (open === this.#open) this.composer.setBusy(open.busy);
      if (!open.busy && open.threadId && !this.threads.titleOf(open.threadId)) this.threads.pollTitle(open.threadId);
    });
    on("activity", () => open.threadId && this.threads.markUsed(open.threadId));
    on("title", ({ id, title }) => this.threads.setTitle(id, title));
    on("thread", ({ id }) => {
      this.threads.markUsed(id);
      if (open === this.#open) this.#setNewId(id);
    });
    return open;
  }

  /** Set the id of the new thread that is shown. */
  #setNewId(id) {
    history.replaceState(null, "", addressOf(id));
    this.composer.setNewId(id);
    this.threads.setCurrent(id);
  }

  async #send(content, attachments) {
    const wasEmpty = !this.empty.hidden;
    this.#setEmpty(false);
    try {
      await this.#open.send(content, attachments);
    } catch (error) {
      this.#setEmpty(wasEmpty);
      throw this.#isGone(error) ? Object.assign(error, this.#newChatInstead()) : error;
    }
  }

  /** Return true for a message to a thread that was deleted elsewhere. */
  #isGone({ status, param }) {
    return status === 404 && this.#open.threadId !== null && (param === null || param === "thread_id");
  }

  /** Return what to show in place of the error: the message may be sent in a new chat. */
  #newChatInstead() {
    const onclick = () => {
      this.composer.setNewId(null); // with text and files
      this.#leave();
      this.composer.submit();
    };
    return { message: "This chat no longer exists.", action: { text: "Send in a new chat", onclick } };
  }

  async #stop() {
    try {
      await this.#open.stop();
    } catch (error) {
      this.composer.showAlert(error.message, remedy(error, () => this.#stop()));
    }
  }

  #setEmpty(empty) {
    this.empty.hidden = !empty;
    this.logPlace.hidden = empty;
  }

  #drawTitle() {
    const id = threadOfAddress();
    const title = id && this.threads.titleOf(id);
    this.heading.textContent = title || (id ? "" : "New chat");
    if (!this.#isWholePage) return; // the host's page keeps its own title
    document.title = title ? `${title} · ${this.title}` : this.title;
  }

  #nextTheme(button) {
    const name = this.theme.next();
    button.title = `Theme: ${name}`;
    this.announcer.say(button.title);
  }

  #toggleSidebar(shown = !this.root.dataset.sidebar) {
    if (shown) this.root.dataset.sidebar = "open";
    else delete this.root.dataset.sidebar;
    this.menu.setAttribute("aria-expanded", String(shown));
    if (shown) this.threads.element.querySelector("button").focus();
  }

  #dropped(files) {
    if (this.panel.element.open) for (const file of files) this.files.upload(file);
    else this.composer.attach(files);
  }
}

function threadOfAddress() {
  return new URLSearchParams(location.search).get(PARAMETER) || null;
}

function addressOf(id) {
  const url = new URL(location.href);
  if (id) url.searchParams.set(PARAMETER, id);
  else url.searchParams.delete(PARAMETER);
  return url.pathname + url.search;
}

function suggestionsOf(root) {
  try {
    return JSON.parse(root.dataset.suggestions ?? "[]");
  } catch {
    return [];
  }
}

function welcome(suggestions, send) {
  const choices = suggestions.map((text) =>
    element("button.suggestion", { type: "button", text, dir: "auto", onclick: () => send(text) }),
  );
  return [
    element("div.empty-sign", {}, icon("chat")),
    element("h2", { text: "How can I help?" }),
    choices.length ? element("div.suggestions", {}, ...choices) : null,
  ].filter(Boolean);
}

/** Import the host's functions for runs from its module: `export const tools = {show_order(arguments) {…}}`. */
async function toolsOf(root) {
  if (!root.dataset.tools) return {};
  try {
    return (await import(new URL(root.dataset.tools, document.baseURI))).tools;
  } catch (error) {
    console.error(error); // for the host's developer; the chat works without these functions
    return {};
  }
}

for (const root of document.querySelectorAll("[data-assistant-chat]")) {
  toolsOf(root).then((tools) => new Chat(root, tools));
}
