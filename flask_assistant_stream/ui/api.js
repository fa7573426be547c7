/** The client of the API, with errors that users can read. */

const MESSAGES = {
  401: "You are not logged in.",
  413: "The request is too large for the server.",
  429: "Too many requests. Wait a moment, then try again.",
  502: "The server is not available. Try again in a moment.",
  503: "The server is not available. Try again in a moment.",
  504: "The server took too long to respond.",
};

const UNREACHABLE = "The server cannot be reached.";

/** A request that the server rejected or never received. The message is for users. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status of the response, 0 without a response
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
   * @param {object} options
   * @param {string} options.base path of the API's prefix, without a trailing slash
   * @param {string} [options.csrfToken] for hosts that check one
   */
  constructor({ base, csrfToken }) {
    this.#base = base;
    this.#csrfToken = csrfToken;
  }

  /** @param {string} path below the prefix, with a leading slash */
  url(path) {
    return this.#base + path;
  }

  /**
   * Send a request and return the parsed JSON.
   *
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async json(method, path, body) {
    const response = await this.#fetch(path, { method, body: body && JSON.stringify(body) });
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

/** Return the error of a response that is not the API's. A host may redirect to its login page. */
function invalidResponse({ status, redirected }) {
  return redirected ? new ApiError(MESSAGES[401], 401) : new ApiError("The server sent an invalid response.", status);
}

/**
 * Return the error of a response whose status is not 2xx.
 *
 * @param {number} status
 * @param {string} body the API's error, or a proxy's page
 */
export function errorOf(status, body) {
  let error = {};
  try {
    error = JSON.parse(body).error ?? {};
  } catch {
    // The body is a proxy's page.
  }
  const text = error.message ?? MESSAGES[status] ?? `The server responded with status ${status}.`;
  const message = status === 401 && error.message ? `${MESSAGES[401]} ${text}` : text;
  return new ApiError(message, status, error.code ?? null);
}
