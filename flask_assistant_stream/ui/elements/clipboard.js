import { Announcer } from "./announcer.js";
import { element } from "./element.js";

const SHOWN_MS = 1500;

/** Copies text, also where the page is not served over HTTPS. */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea", { value: text, readOnly: true, className: "assistant-offscreen" });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("The browser does not let the page copy.");
}

/**
 * A button that copies.
 *
 * @param {string} label its name
 * @param {() => string} text what is copied, asked for when it is pressed
 */
export function copyButton(label, text) {
  const button = element("button.copy", { type: "button", text: label });
  button.onclick = async () => {
    const done = await copyText(text()).then(
      () => "Copied",
      () => "Not copied",
    );
    button.textContent = done;
    const status = button.closest("[data-assistant-chat]")?.querySelector(":scope > [role=status]");
    if (status) new Announcer(status).say(done);
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  };
  return button;
}
