/** Other tabs with the same page: they hear when a run begins or goes on, and whoever comes back looks again. */

export class OtherTabs {
  #channel;
  #look;

  /**
   * @param {string} name what the tabs have in common.
   * @param {(threadId: ?string) => void} onNews called when something has happened on a thread, or, with null, when the
   *   page is looked at again or the network is back.
   */
  constructor(name, onNews) {
    if (globalThis.BroadcastChannel) {
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }) => onNews(data.thread);
    }
    this.#look = () => document.visibilityState === "visible" && onNews(null);
    document.addEventListener("visibilitychange", this.#look);
    for (const event of ["focus", "online"]) window.addEventListener(event, this.#look);
  }

  /** Tell the others of a thread. */
  tell(threadId) {
    this.#channel?.postMessage({ thread: threadId });
  }

  close() {
    this.#channel?.close();
    document.removeEventListener("visibilitychange", this.#look);
    for (const event of ["focus", "online"]) window.removeEventListener(event, this.#look);
  }
}
