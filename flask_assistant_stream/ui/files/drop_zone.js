import { element } from "../elements/element.js";
import { icon } from "../elements/icons.js";

/**
 * Accept files dropped anywhere in the window.
 *
 * @param {HTMLElement} root shows the overlay while files are dragged
 * @param {(files: FileList) => void} onDrop
 */
export function dropZone(root, onDrop) {
  const words = element("div.drop-words", {}, icon("paperclip"), "Drop files to attach them");
  const overlay = element("div.drop-zone", { hidden: true, attributes: { popover: "manual" } }, words);
  root.append(overlay);
  let depth = 0; // enter and leave events arrive for every element below the pointer
  const show = (shown) => {
    overlay.hidden = !shown;
    if (shown !== overlay.matches(":popover-open")) overlay.togglePopover(shown); // a popover covers dialogs too
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
      onDrop(event.dataTransfer.files);
    }),
  );
}
