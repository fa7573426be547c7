import { element } from "../elements/element.js";
import { icon } from "../elements/icons.js";

/**
 * Takes files that are dropped anywhere in the window.
 *
 * @param {HTMLElement} root shows that they may be dropped
 * @param {(files: FileList) => void} take
 */
export function dropZone(root, take) {
  const words = element("div.drop-words", {}, icon("paperclip"), "Drop files to attach them");
  const overlay = element("div.drop-zone", { hidden: true, attributes: { popover: "manual" } }, words);
  root.append(overlay);
  let depth = 0; // enter and leave are told for every element on the way
  const show = (shown) => {
    overlay.hidden = !shown;
    if (shown !== overlay.matches(":popover-open")) overlay.togglePopover(shown); // above an open dialog, too
    if (!shown) depth = 0;
  };
  const withFiles = (listener) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    listener(event);
  };
  addEventListener(
    "dragenter",
    withFiles(() => (depth += 1) && show(true)),
  );
  addEventListener(
    "dragover",
    withFiles((event) => (event.dataTransfer.dropEffect = "copy")),
  );
  addEventListener(
    "dragleave",
    withFiles(() => (depth -= 1) <= 0 && show(false)),
  );
  addEventListener(
    "drop",
    withFiles((event) => {
      show(false);
      take(event.dataTransfer.files);
    }),
  );
}
