/**
 * Builds a DOM element.
 *
 * @param {string} selector tag and classes: "button.icon.quiet"; a div where the tag is left out
 * @param {object} [properties] properties of the element (onclick, type, hidden …), and: `text`; `dataset`; `attributes`
 *   for what is no property; `aria…` names become aria-attributes
 * @param {...(Node|string|null|undefined|false)} children strings become text, never markup
 * @returns {HTMLElement}
 */
export function element(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) set(made, name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function set(made, name, value) {
  if (value === undefined || value === null) return;
  if (name === "text") made.textContent = value;
  else if (name === "dataset") Object.assign(made.dataset, value);
  else if (name === "attributes") for (const [key, text] of Object.entries(value)) made.setAttribute(key, text);
  else if (/^aria[A-Z]/.test(name)) made.setAttribute(`aria-${name.slice(4).toLowerCase()}`, value);
  else if (name === "role") made.setAttribute("role", value);
  else made[name] = value;
}
