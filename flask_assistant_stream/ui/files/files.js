/** The owner's files, without a DOM: uploads and indexing states. */

const POLL_MS = 1000;
const STATES = { completed: "Ready", cancelled: "Cancelled" };

/**
 * @typedef {object} UserFile
 * @property {string|null} id null during the upload
 * @property {string} name
 * @property {"uploading"|"in_progress"|"completed"|"failed"} status
 * @property {number} progress of the upload, 0 to 1
 * @property {string} [error] the reason of a failure
 * @property {AbortController} [upload]
 */

/** @param {UserFile} file */
export function statusText(file) {
  if (file.status === "uploading") return `Uploading ${Math.round(file.progress * 100)} %`;
  if (file.status === "failed") return file.error ? `Failed: ${file.error}` : "Failed";
  return STATES[file.status] ?? "Indexing";
}

/** @returns {UserFile} */
function userFile({ file_id: id, filename: name, status, error }) {
  return { id, name, status, error, progress: 1 };
}

/** Dispatches "change" when a file changes. */
export class Files extends EventTarget {
  #api;
  #announcer;
  /** @type {UserFile[]} */
  #uploads = []; // newest first; uploaded files are also in #listed
  #listed = [];
  #timer = 0;

  constructor({ api, announcer }) {
    super();
    this.#api = api;
    this.#announcer = announcer;
  }

  /** All files, newest first. */
  get all() {
    const listed = new Set(this.#listed.map(({ id }) => id));
    return [...this.#uploads.filter(({ id }) => !id || !listed.has(id)), ...this.#listed];
  }

  /** Return the latest state of a file. */
  current(file) {
    return this.#listed.find(({ id }) => id && id === file.id) ?? file;
  }

  /** Load the list, and again every second while a file is being indexed. */
  async refresh() {
    clearTimeout(this.#timer);
    const list = await this.#api.json("GET", "/files");
    const before = new Map(this.#listed.map((file) => [file.id, file]));
    this.#listed = list.map(userFile);
    for (const file of this.#listed) this.#announce(before.get(file.id), file);
    this.#changed();
    clearTimeout(this.#timer);
    if (this.#listed.some(({ status }) => status === "in_progress")) this.#poll();
  }

  /**
   * Upload a file.
   *
   * @param {File} source
   * @returns {UserFile} updated in place, with a "change" event each time
   */
  upload(source) {
    const file = { id: null, name: source.name, status: "uploading", progress: 0, upload: new AbortController() };
    this.#uploads.unshift(file);
    this.#send(file, source);
    this.#changed();
    return file;
  }

  /** Delete a file, or abort its upload. */
  async remove(file) {
    if (file.id) await this.#api.json("DELETE", "/files", { fileId: file.id });
    else file.upload?.abort();
    this.#listed = this.#listed.filter(({ id }) => id !== file.id);
    this.#uploads = this.#uploads.filter((other) => other !== file && (!file.id || other.id !== file.id));
    this.#changed();
  }

  async #send(file, source) {
    const onProgress = (fraction) => {
      file.progress = fraction;
      this.#changed();
    };
    try {
      const { fileId, filename } = await this.#api.upload(source, { onProgress, signal: file.upload.signal });
      Object.assign(file, { id: fileId, name: filename, status: "in_progress" });
      this.#changed();
      this.#poll(0);
    } catch (error) {
      if (error.name === "AbortError") return;
      Object.assign(file, { status: "failed", error: error.message });
      this.#announcer.say(`File ${file.name} failed. ${error.message}`);
      this.#changed();
    }
  }

  #poll(delay = POLL_MS) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh().catch(() => this.#poll(5 * POLL_MS)), delay);
  }

  #announce(before, file) {
    const uploaded = this.#uploads.find(({ id }) => id === file.id);
    const previous = before?.status ?? uploaded?.status;
    if (uploaded) Object.assign(uploaded, { status: file.status, name: file.name, error: file.error });
    if (previous !== "in_progress" || file.status === previous) return;
    const reason = file.error ? `. ${file.error}` : "";
    this.#announcer.say(file.status === "completed" ? `File ${file.name} is ready` : `File ${file.name} failed${reason}`);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
