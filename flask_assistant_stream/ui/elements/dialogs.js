import { element } from "./element.js";

/**
 * Ask in a dialog; without `yes` it only shows the text.
 *
 * @param {HTMLElement} near the dialog is added to the chat that contains this element, and uses its colours
 * @param {{text: string, yes?: string, no: string}} words
 * @returns {Promise<boolean>} true if the user chose `yes`; Escape means no
 */
export function ask(near, { text, yes, no }) {
  const { promise, resolve } = deferred();
  const dialog = element("dialog.ask", { ariaLabel: text });
  const close = (answer) =>
    element("button", { type: "button", text: answer ? yes : no, onclick: () => dialog.close(answer ? "yes" : "") });
  const buttons = element("div.ask-buttons", {}, close(false), yes && close(true));
  if (yes) buttons.lastChild.classList.add("danger");
  dialog.append(element("p", { text, dir: "auto" }), buttons);
  dialog.onclose = () => {
    dialog.remove();
    resolve(dialog.returnValue === "yes");
  };
  (near.closest("[data-assistant-chat]") ?? near).append(dialog);
  dialog.showModal();
  return promise;
}

function deferred() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
