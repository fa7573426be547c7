/** Announces text to screen readers through the page's polite live region. */
export class Announcer {
  #region;

  /** @param {HTMLElement} region an element with role="status" */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text */
  say(text) {
    // Screen readers repeat a text only if the content changes.
    this.#region.textContent = this.#region.textContent === text ? `${text}\u00a0` : text;
  }
}
