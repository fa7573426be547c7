/** Images of messages and tools. The API serves files as downloads, so the page shows the fetched bytes. */

import { element } from "../elements/element.js";

const NAME = /filename\*=UTF-8''([^;]+)/;

export class Images {
  #api;
  #addresses = new Map(); // file → promise of {address, name}

  constructor(api) {
    this.#api = api;
  }

  /** Return the figure of a file or URL. A file is loaded when the figure comes near the viewport. */
  figure({ fileId, url }) {
    if (this.#api.fileUrl(fileId)) return this.#ofFile(fileId);
    if (url?.startsWith("data:image/"))
      return element("figure", {}, element("img", { src: url, alt: "Attached image" }));
    return element("figure.unavailable", { text: url ? `Image: ${url}` : "Image" });
  }

  #ofFile(fileId) {
    const image = element("img", { alt: "Image", decoding: "async" });
    const link = element(
      "a.image",
      { href: this.#api.fileUrl(fileId), title: "Download" },
      image,
    );
    const figure = element("figure.loading", {}, link);
    whenNear(figure, () => this.#fill(figure, image, fileId));
    return figure;
  }

  async #fill(figure, image, fileId) {
    try {
      const { address, name } = await this.#cached(fileId);
      image.alt = name ? `Image: ${name}` : "Image";
      image.src = address;
      await image.decode();
      figure.classList.remove("loading");
    } catch {
      figure.className = "unavailable";
      figure.replaceChildren("The image is not available.");
    }
  }

  #cached(fileId) {
    if (!this.#addresses.has(fileId)) this.#addresses.set(fileId, this.#fetch(fileId));
    return this.#addresses.get(fileId);
  }

  async #fetch(fileId) {
    const response = await fetch(this.#api.fileUrl(fileId), { credentials: "same-origin" });
    if (!response.ok) throw new Error(`The server responded with status ${response.status}.`);
    const name = response.headers.get("Content-Disposition")?.match(NAME)?.[1];
    return { address: URL.createObjectURL(await response.blob()), name: name && decodeURIComponent(name) };
  }

  /** Release the fetched images. */
  close() {
    for (const image of this.#addresses.values()) {
      image.then(
        ({ address }) => URL.revokeObjectURL(address),
        () => {},
      );
    }
    this.#addresses.clear();
  }
}

/** Call back once, when an element comes near the viewport. */
export function whenNear(target, callback) {
  const observer = new IntersectionObserver(
    (records) => {
      if (!records.some((record) => record.isIntersecting)) return;
      observer.disconnect();
      callback();
    },
    { rootMargin: "300px" },
  );
  observer.observe(target);
}
