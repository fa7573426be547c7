import { Announcer } from "./announcer.js";
import { element } from "./element.js";

const SHOWN_MS = 1500;

/** Copy text; works without HTTPS too. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea", { value: text, readOnly: true, className: "assistant-offscreen" });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("The browser did not allow copying.");
}

/**
 * Return a button that copies a text.
 *
 * @param {string} label
 * @param {() => string} text called on each click
 */
export function copyButton(label, text) {
  const button = element("button.copy", { type: "button", text: label });
  button.onclick = async () => {
    const result = await copyText(text()).then(
      () => "Copied",
      () => "Not copied",
    );
    button.textContent = result;
    const status = button.closest("[data-assistant-chat]")?.querySelector(":scope > [role=status]");
    if (status) new Announcer(status).say(result);
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  };
  return button;
}
