const THEMES = ["system", "light", "dark"];
const KEY = "assistant-chat.theme";

/** The colour scheme of the page: the system's, or the user's choice. */
export class Theme {
  #root;

  /** @param {HTMLElement} root the style sheets read its `data-theme` */
  constructor(root) {
    this.#root = root;
    this.#set(localStorage.getItem(KEY) ?? root.dataset.theme);
  }

  get name() {
    return this.#root.dataset.theme;
  }

  /** Select the next theme and return its name. */
  next() {
    this.#set(THEMES[(THEMES.indexOf(this.name) + 1) % THEMES.length]);
    localStorage.setItem(KEY, this.name);
    return this.name;
  }

  #set(name) {
    this.#root.dataset.theme = THEMES.includes(name) ? name : "system";
  }
}
