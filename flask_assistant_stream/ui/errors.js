/** Errors of requests, with messages that users can read. */

const MESSAGES = {
  401: "You are not logged in.",
  413: "The request is too large for the server.",
  429: "Too many requests. Wait a moment, then try again.",
  502: "The server is not available. Try again in a moment.",
  503: "The server is not available. Try again in a moment.",
  504: "The server took too long to respond.",
};

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

/** Return the error of a request without a response. */
export function unreachable() {
  return new ApiError("The server cannot be reached.", 0, "unreachable");
}

/** Return the error of a response that is not the API's. A host may redirect to its login page. */
export function invalidResponse({ status, redirected }) {
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
