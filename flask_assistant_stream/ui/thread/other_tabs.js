/** Keeps tabs with the same page in sync: reports runs that start or continue, and when the user returns to the tab. */

export class OtherTabs {
  #channel;
  #onReturn;

  /**
   * @param {string} name of the channel that the tabs share.
   * @param {(threadId: ?string) => void} onNews called with the thread that changed, or with null when the page becomes
   *   visible or the network returns.
   */
  constructor(name, onNews) {
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }) => onNews(data.thread);
    }
    this.#onReturn = () => document.visibilityState === "visible" && onNews(null);
    document.addEventListener("visibilitychange", this.#onReturn);
    for (const event of ["focus", "online"]) window.addEventListener(event, this.#onReturn);
  }

  /** Report a change of a thread to the other tabs. */
  notify(threadId) {
    this.#channel?.postMessage({ thread: threadId });
  }

  close() {
    this.#channel?.close();
    document.removeEventListener("visibilitychange", this.#onReturn);
    for (const event of ["focus", "online"]) window.removeEventListener(event, this.#onReturn);
  }
}
