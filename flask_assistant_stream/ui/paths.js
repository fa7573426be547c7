/**
 * Paths below the API's prefix. Ids come from the page's address, answers and events: each is checked and encoded, so that
 * none leads to another route of the host.
 */
import { ApiError } from "./errors.js";

const ID = /^[\w-][\w.:=@-]{0,199}$/; // no slash, and neither "." nor ".."

/** Return true for a value in the shape of an id. */
export const isId = (value) => typeof value === "string" && ID.test(value);

/**
 * A template tag: `path`/threads/${id}/messages``.
 *
 * @throws {ApiError} 404: no object has such an id
 */
export function path([first, ...rest], ...ids) {
  if (!ids.every(isId)) throw new ApiError("This does not exist.", 404);
  return rest.reduce((built, text, index) => built + encodeURIComponent(ids[index]) + text, first);
}

/** Return a path with a query; a null value is left out. */
export function withQuery(plain, parameters) {
  const present = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  return `${plain}?${new URLSearchParams(present)}`;
}

/**
 * Return the path of the API's prefix, without a trailing slash.
 *
 * @param {string} base from the page's markup
 * @param {URL|Location} page
 * @throws {Error} it is on another origin, which must not receive the CSRF token
 */
export function basePath(base, page) {
  const url = new URL(base || "/", page.origin);
  if (url.origin !== page.origin) throw new Error(`The chat's data-base ${base} is on another origin.`);
  return url.pathname.replace(/\/+$/, "");
}
