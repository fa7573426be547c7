/** File names by id. Messages contain only the ids. */

export class FileNames {
  #api;
  #names = null; // promise of a map

  constructor(api) {
    this.#api = api;
  }

  /** Return a file's name, or its id if the name is unknown. */
  async name(fileId) {
    this.#names ??= this.#fetch();
    const name = (await this.#names).get(fileId);
    if (!name) this.#names = null; // the file may be newer than the list, so the next call loads it again
    return name ?? fileId;
  }

  async #fetch() {
    const files = await this.#api.json("GET", "/files").catch(() => []);
    return new Map(files.map((file) => [file.file_id, file.filename]));
  }
}
