import { element } from "./element.js";

/**
 * Asks in a dialog, or only says something where there is no `yes`.
 *
 * @param {HTMLElement} near the dialog goes into the same page part, whose colours it takes
 * @param {{text: string, yes?: string, no: string}} words
 * @returns {Promise<boolean>} whether `yes` was chosen; Escape means no
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
