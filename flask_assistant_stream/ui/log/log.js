/** The message log: renders entries as elements, only the changed ones, at most once a frame. */

import { element } from "../elements/element.js";
import { ActivityView } from "./activity.js";
import { EndingView } from "./ending.js";
import { FileNames } from "./file_names.js";
import { Images } from "./images.js";
import { MessageView } from "./message.js";
import { Scrolling } from "./scrolling.js";
import { ThinkingView } from "./thinking.js";
import { ToolRow } from "./tool_row.js";
import { UnformattedView } from "./unformatted.js";

const VIEWS = { message: MessageView, call: ToolRow, thinking: ThinkingView, ending: EndingView };

export class Log {
  #root;
  #context;
  #conversation;
  #views = new Map();
  #frame = null;
  #entries = element("div.entries");
  #older;
  #scrolling;
  #inView;

  activity;

  /**
   * @param {HTMLElement} root becomes the log; it scrolls.
   * @param {import("../thread/conversation.js").Conversation} conversation
   * @param {{api: object, onRetry: (ending: object) => void,
   *   onAnswer: (call: object, output: string) => void, onCancel: (call: object) => void, onOlder: () => Promise<void>,
   *   onReconnect: () => void,
   *   onRunInView: (runId: string) => void}} context
   */
  constructor(root, conversation, context) {
    this.#root = root;
    this.#conversation = conversation;
    this.#context = { ...context, images: new Images(context.api), fileNames: new FileNames(context.api) };
    this.activity = new ActivityView(context.onReconnect);
    this.#older = element("button.older.quiet", {
      type: "button",
      text: "Load older messages",
      hidden: true,
      onclick: () => context.onOlder(),
    });
    const latest = element("button.latest", { type: "button", text: "Jump to latest", hidden: true });
    for (const [name, value] of Object.entries({ role: "log", "aria-label": "Conversation", "aria-live": "off" }))
      root.setAttribute(name, value);
    root.tabIndex = 0;
    root.classList.add("conversation");
    root.replaceChildren(this.#older, this.#entries, this.activity.element, latest);
    this.#scrolling = new Scrolling(root, latest, () => !this.#older.hidden && context.onOlder());
    this.#inView = new IntersectionObserver((records) => this.#reportInView(records), { root, rootMargin: "200px" });
    conversation.onchange = () => this.changed();
    this.changed();
  }

  /** Render before the next frame is shown. */
  changed() {
    this.#frame ??= requestAnimationFrame(() => this.#render());
  }

  /** Show or hide the button for older messages. */
  setOlder(more) {
    this.#older.hidden = !more;
    this.#scrolling.watchTop(more ? this.#older : null);
  }

  /** Scroll to the end, wherever the reader is; used when they send a message. */
  toEnd() {
    this.#scrolling.toEnd();
  }

  /** Release the views, observers and images. */
  close() {
    cancelAnimationFrame(this.#frame);
    this.#conversation.onchange = () => {};
    this.#inView.disconnect();
    this.#scrolling.close();
    this.activity.close();
    this.#context.images.close();
    this.#root.replaceChildren();
  }

  #render() {
    this.#frame = null;
    const { keys, moved } = this.#conversation.takeChanges();
    this.#scrolling.keep(() => {
      if (moved) this.#arrange();
      for (const key of keys) this.#update(key);
      this.activity.update(this.#conversation);
    });
  }

  #update(key) {
    const entry = this.#conversation.get(key);
    const view = entry && this.#views.get(entry.key);
    if (!view) return;
    try {
      view.update(entry);
    } catch (error) {
      const other = this.#unformatted(entry, error);
      view.element.replaceWith(other.element);
      this.#discard(entry.key, view);
      this.#keep(entry, other);
    }
  }

  /** Put the elements in the order of the entries; most do not move. */
  #arrange() {
    const shown = new Set(this.#conversation.entries);
    for (const [key, view] of this.#views) if (!shown.has(view.entry)) this.#discard(key, view);
    let next = this.#entries.firstElementChild;
    for (const entry of shown) {
      const { element: node } = this.#views.get(entry.key) ?? this.#add(entry);
      if (node === next) next = next.nextElementSibling;
      else this.#entries.insertBefore(node, next);
    }
  }

  #add(entry) {
    return this.#keep(entry, this.#view(entry));
  }

  #view(entry) {
    try {
      return new VIEWS[entry.kind](entry, this.#context);
    } catch (error) {
      return this.#unformatted(entry, error);
    }
  }

  #unformatted(entry, error) {
    console.error(error); // for the developer
    return new UnformattedView(entry);
  }

  #keep(entry, view) {
    view.entry = entry;
    this.#views.set(entry.key, view);
    if (entry.kind === "message" && entry.runId) {
      view.element.dataset.run = entry.runId;
      this.#inView.observe(view.element);
    }
    return view;
  }

  #discard(key, view) {
    this.#inView.unobserve(view.element);
    view.element.remove();
    this.#views.delete(key);
  }

  #reportInView(records) {
    for (const { isIntersecting, target } of records) {
      if (!isIntersecting) continue;
      this.#inView.unobserve(target);
      this.#context.onRunInView(target.dataset.run);
    }
  }
}
