/** Errors of requests, in words for visitors. The API's own messages are for programs: they name parameters and ids. */

const MESSAGES = {
  401: "You are not logged in.",
  403: "You may not do this.",
  404: "This does not exist any more.",
  410: "This is no longer stored.",
  413: "This is too large for the server.",
  429: "Too many requests. Wait a moment, then try again.",
  502: "The server is not available. Try again in a moment.",
  503: "The server is not available. Try again in a moment.",
  504: "The server took too long to respond.",
};
const CODES = { string_above_max_length: "The text is too long. Shorten it." };
const FAILED = "Something went wrong on the server. Try again in a moment.";
const REFUSED = "The server did not accept this.";
const OUTDATED = "This page is out of date. Reload it, then try again.";

const NAMED = new Set([null, "file", "attachments"]); // the API's messages about these are for visitors
const JARGON = /https?:|JSON|\b(?:thread|run|msg|file|asst|call|step|vs)[_-]\w{8,}|\bstatus ['"]|\d+ per \d* ?\w+/;
const CSRF = /csrf/i;

/** A request that the server rejected or never received. The message is for users. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status of the response, 0 without a response
   * @param {string|null} code of the API's error, or "unreachable"
   * @param {{param?: string|null, outdated?: boolean}} [more] `outdated`: the page must be loaded again
   */
  constructor(message, status = 0, code = null, { param = null, outdated = false } = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.param = param;
    this.outdated = outdated || status === 401; // a log-in page may be in the way
  }

  /** True if the same request may succeed later. */
  get passing() {
    return [0, 408, 429].includes(this.status) || this.status >= 500;
  }
}

/**
 * Return the button that helps after an error, or undefined.
 *
 * @param {Error} error
 * @param {() => void} retry
 * @returns {{text: string, onclick: () => void}|undefined}
 */
export function remedy(error, retry) {
  if (error.outdated) return { text: "Reload", onclick: () => location.reload() };
  return error.passing ? { text: "Try again", onclick: retry } : undefined;
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
  const { message = "", code = null, param = null } = error;
  const outdated = status < 500 && status !== 401 && CSRF.test(message);
  return new ApiError(outdated ? OUTDATED : words(status, { message, code, param }), status, code, { param, outdated });
}

/** Return the words for an error: the server's, if a visitor can read them. */
function words(status, { message, code, param }) {
  if (status >= 500) return MESSAGES[status] ?? FAILED;
  if (CODES[code]) return CODES[code];
  const readable = message && NAMED.has(param) && !JARGON.test(message);
  if (status === 401) return readable ? `${MESSAGES[401]} ${message}` : MESSAGES[401];
  return (status !== 404 && readable && message) || MESSAGES[status] || REFUSED;
}
