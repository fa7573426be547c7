/**
 * Create a DOM element.
 *
 * @param {string} selector tag and classes: "button.icon.quiet"; without a tag, a div
 * @param {object} [properties] properties of the element (onclick, type, hidden …); `text`; `dataset`; `attributes`
 *   for other attributes; `aria…` names become aria-attributes
 * @param {...(Node|string|null|undefined|false)} children strings become text, never markup
 * @returns {HTMLElement}
 */
export function element(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, name, value) {
  if (value === undefined || value === null) return;
  if (name === "text") node.textContent = value;
  else if (name === "dataset") Object.assign(node.dataset, value);
  else if (name === "attributes") for (const [key, text] of Object.entries(value)) node.setAttribute(key, text);
  else if (/^aria[A-Z]/.test(name)) node.setAttribute(`aria-${name.slice(4).toLowerCase()}`, value);
  else if (name === "role") node.setAttribute("role", value);
  else node[name] = value;
}
