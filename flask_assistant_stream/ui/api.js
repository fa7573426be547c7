/** The client of the API. */
import { errorOf, invalidResponse, unreachable } from "./errors.js";
import { isId, path } from "./paths.js";

export class Api {
  #base;
  #csrfToken;

  /**
   * @param {object} options
   * @param {string} options.base path of the API's prefix, without a trailing slash
   * @param {string} [options.csrfToken] for hosts that check one
   */
  constructor({ base, csrfToken }) {
    this.#base = base;
    this.#csrfToken = csrfToken;
  }

  /** @param {string} path below the prefix, with a leading slash: see paths.js */
  url(path) {
    return this.#base + path;
  }

  /** Return the URL of a file's content, or null for a value that is no id. */
  fileUrl(id) {
    return isId(id) ? this.url(path`/files/${id}`) : null;
  }

  /**
   * Send a request and return the parsed JSON.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {{idempotencyKey?: string}} [options]
   */
  async json(method, path, body, { idempotencyKey } = {}) {
    const headers = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
    const response = await this.#fetch(path, { method, body: body && JSON.stringify(body), headers });
    return parseJson(await response.text(), response);
  }

  /**
   * Open a stream: POST with a body, else GET.
   *
   * @param {string} path
   * @param {object} [body]
   * @param {{signal?: AbortSignal, idempotencyKey?: string}} [options]
   * @returns {Promise<Response>} with an NDJSON body
   */
  async stream(path, body, { signal, idempotencyKey } = {}) {
    const headers = { Accept: "application/x-ndjson" };
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    const method = body ? "POST" : "GET";
    const response = await this.#fetch(path, { method, body: body && JSON.stringify(body), headers, signal });
    if (!response.headers.get("Content-Type")?.startsWith("application/x-ndjson")) throw invalidResponse(response);
    return response;
  }

  /**
   * Upload a file. It uses XMLHttpRequest, because fetch reports no progress.
   *
   * @param {File} file
   * @param {{onProgress?: (fraction: number) => void, signal?: AbortSignal}} [options]
   * @returns {Promise<{fileId: string, filename: string}>}
   */
  upload(file, { onProgress, signal } = {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append("file", file);
      request.open("POST", this.url("/files"));
      for (const [name, value] of Object.entries(this.#headers("POST"))) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => event.lengthComputable && onProgress?.(event.loaded / event.total);
      request.onload = () => settle(request, resolve, reject);
      request.onerror = () => reject(unreachable());
      request.onabort = () => reject(new DOMException("The upload was stopped.", "AbortError"));
      signal?.addEventListener("abort", () => request.abort());
      request.send(form);
    });
  }

  #headers(method) {
    return this.#csrfToken && method !== "GET" ? { "X-CSRFToken": this.#csrfToken } : {};
  }

  async #fetch(path, { method, headers, ...rest }) {
    const response = await fetch(this.url(path), {
      method,
      headers: { ...this.#headers(method), ...headers },
      credentials: "same-origin",
      ...rest,
    }).catch((error) => {
      throw error.name === "AbortError" ? error : unreachable();
    });
    if (!response.ok) throw errorOf(response.status, await response.text().catch(() => ""));
    return response;
  }
}

function settle(request, resolve, reject) {
  if (request.status < 200 || request.status > 299) return reject(errorOf(request.status, request.responseText));
  try {
    return resolve(parseJson(request.responseText, { status: request.status }));
  } catch (error) {
    return reject(error);
  }
}

function parseJson(text, response) {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidResponse(response);
  }
}
