/** Functions in the page that runs may call. Only the tab that started a run calls them, so that no call runs twice. */

const OWNED = "assistant-chat.runs";
const KEPT = 20;

/** Record that this tab started a run; the record survives a reload. */
export function own(runId) {
  sessionStorage.setItem(OWNED, JSON.stringify([...owned(), runId].slice(-KEPT)));
}

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
 * Call a function in the page and return its output as text. A failure is returned as text for the model.
 *
 * @param {(args: object, call: {threadId: string, runId: string, callId: string}) => unknown} tool
 * @param {import("./entries.js").Call} call
 */
export async function outputOf(tool, call, threadId) {
  try {
    const output = await tool(JSON.parse(call.arguments || "{}"), { threadId, runId: call.runId, callId: call.key });
    return typeof output === "string" ? output : (JSON.stringify(output) ?? "null");
  } catch (error) {
    console.error(error); // for the developer of the page
    return `The tool ${call.name} failed: ${error?.message ?? error}`;
  }
}
