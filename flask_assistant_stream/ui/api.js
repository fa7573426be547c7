/** The API that the page talks to, and its errors in words for people. */

const MESSAGES = {
  401: "You are not logged in.",
  413: "That is too large for the server.",
  429: "Too many requests just now. Wait a moment.",
  502: "The server is not available just now.",
  503: "The server is not available just now.",
  504: "The server takes too long to answer.",
};

const UNREACHABLE = "The server cannot be reached.";

/** A request that was refused or did not get through; its message is fit for people. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status of the answer, 0 where there was none
   * @param {string|null} code of the API's error, or "unreachable"
   */
  constructor(message, status = 0, code = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
  }
}

export class Api {
  #base;
  #csrfToken;

  /**
   * @param {object} place
   * @param {string} place.base path of the API's prefix, without a slash at its end
   * @param {string} [place.csrfToken] for hosts that check one
   */
  constructor({ base, csrfToken }) {
    this.#base = base;
    this.#csrfToken = csrfToken;
  }

  /** @param {string} path below the prefix, from its slash on */
  url(path) {
    return this.#base + path;
  }

  /**
   * Sends a request and returns the answer's object.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async json(method, path, body) {
    const response = await this.#fetch(path, { method, body: body && JSON.stringify(body) });
    return parsed(await response.text(), response);
  }

  /**
   * Asks for a stream: POST where there is a body, else GET.
   *
   * @param {string} path
   * @param {object} [body]
   * @param {{signal?: AbortSignal, idempotencyKey?: string}} [options]
   * @returns {Promise<Response>} whose body is NDJSON
   */
  async stream(path, body, { signal, idempotencyKey } = {}) {
    const headers = { Accept: "application/x-ndjson" };
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    const method = body ? "POST" : "GET";
    const response = await this.#fetch(path, { method, body: body && JSON.stringify(body), headers, signal });
    if (!response.headers.get("Content-Type")?.startsWith("application/x-ndjson")) throw notOurs(response);
    return response;
  }

  /**
   * Uploads a file; with XMLHttpRequest, as fetch tells no progress.
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
      request.onerror = () => reject(new ApiError(UNREACHABLE, 0, "unreachable"));
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
      throw error.name === "AbortError" ? error : new ApiError(UNREACHABLE, 0, "unreachable");
    });
    if (!response.ok) throw refused(response.status, await response.text().catch(() => ""));
    return response;
  }
}

function settle(request, resolve, reject) {
  if (request.status < 200 || request.status > 299) return reject(refused(request.status, request.responseText));
  try {
    return resolve(parsed(request.responseText, { status: request.status }));
  } catch (error) {
    return reject(error);
  }
}

function parsed(text, response) {
  try {
    return JSON.parse(text);
  } catch {
    throw notOurs(response);
  }
}

/** An answer that is not the API's: hosts send whoever is not logged in to a page of theirs. */
function notOurs({ status, redirected }) {
  return redirected ? new ApiError(MESSAGES[401], 401) : new ApiError("The server's answer is not understood.", status);
}

/**
 * Makes the error of an answer that is none of 2xx.
 *
 * @param {number} status
 * @param {string} text the body: the API's error, or the page of a proxy
 */
export function refused(status, text) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // a proxy's page
  }
  const said = error.message ?? MESSAGES[status] ?? `The server answered ${status}.`;
  const message = status === 401 && error.message ? `${MESSAGES[401]} ${said}` : said;
  return new ApiError(message, status, error.code ?? null);
}
