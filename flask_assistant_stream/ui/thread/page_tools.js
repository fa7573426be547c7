/** Functions of the page that runs may call: by the tab that asked alone, as two tabs would do things twice. */

const OWNED = "assistant-chat.runs";
const KEPT = 20;

/** Note that this tab has begun a run; a reload does not forget it. */
export function own(runId) {
  sessionStorage.setItem(OWNED, JSON.stringify([...owned(), runId].slice(-KEPT)));
}

/** Say whether this tab has begun a run. */
export function owns(runId) {
  return owned().includes(runId);
}

function owned() {
  try {
    return JSON.parse(sessionStorage.getItem(OWNED)) ?? [];
  } catch {
    return [];
  }
}

/**
 * Call a function of the page and return its output as text, also where it fails: then the model hears that.
 *
 * @param {(args: object, call: {threadId: string, runId: string, callId: string}) => unknown} tool
 * @param {import("./entries.js").Call} call
 */
export async function outputOf(tool, call, threadId) {
  try {
    const output = await tool(JSON.parse(call.arguments || "{}"), { threadId, runId: call.runId, callId: call.key });
    return typeof output === "string" ? output : (JSON.stringify(output) ?? "null");
  } catch (error) {
    console.error(error); // the page's own affair, for who looks after it
    return `The tool ${call.name} failed: ${error?.message ?? error}`;
  }
}
