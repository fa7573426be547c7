/** The time that all views of Markdown draw in one frame, so that a page of very long answers stays responsive. */

const FRAME_MS = 100;

let spent = 0;

/** Return true if a view may draw in this frame. */
export const mayDraw = () => spent < FRAME_MS;

/** @param {number} lasted milliseconds that a view drew */
export function spend(lasted) {
  if (!spent) requestAnimationFrame(() => (spent = 0));
  spent += lasted;
}
