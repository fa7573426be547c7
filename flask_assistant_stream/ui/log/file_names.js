/** Names of files by their ids: messages tell ids only. */

export class FileNames {
  #api;
  #names = null; // promise of a map

  constructor(api) {
    this.#api = api;
  }

  /** Return a file's name, or its id where the name is not known. */
  async name(fileId) {
    this.#names ??= this.#fetch();
    const name = (await this.#names).get(fileId);
    if (!name) this.#names = null; // it may be newer than the list: the next one asks again
    return name ?? fileId;
  }

  async #fetch() {
    const files = await this.#api.json("GET", "/files").catch(() => []);
    return new Map(files.map((file) => [file.file_id, file.filename]));
  }
}
