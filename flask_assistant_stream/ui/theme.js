const THEMES = ["system", "light", "dark"];
const KEY = "assistant-chat.theme";

/** Which colours the page has: the system's, or those that were chosen here. */
export class Theme {
  #root;

  /** @param {HTMLElement} root whose `data-theme` the style sheets read */
  constructor(root) {
    this.#root = root;
    this.#set(localStorage.getItem(KEY) ?? root.dataset.theme);
  }

  get name() {
    return this.#root.dataset.theme;
  }

  /** Goes to the next one and returns its name. */
  next() {
    this.#set(THEMES[(THEMES.indexOf(this.name) + 1) % THEMES.length]);
    localStorage.setItem(KEY, this.name);
    return this.name;
  }

  #set(name) {
    this.#root.dataset.theme = THEMES.includes(name) ? name : "system";
  }
}
