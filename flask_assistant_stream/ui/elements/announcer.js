/** Says things to people who use a screen reader: the page's one polite live region. */
export class Announcer {
  #region;

  /** @param {HTMLElement} region an element with role="status" */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text */
  say(text) {
    // The same text twice is only read twice where something changes.
    this.#region.textContent = this.#region.textContent === text ? `${text}\u00a0` : text;
  }
}
