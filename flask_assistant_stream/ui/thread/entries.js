/** What the log of a conversation is made of: plain objects, made from those of the API. Nothing here knows the DOM. */

/**
 * @typedef {{kind: "message", key: string, id: ?string, runId: ?string, role: string, status: string, reason: ?string,
 *   parts: Part[], attachments: object[], error: ?string}} Message
 *   `status`: sending, refused, in_progress, completed, incomplete; `reason` of an incomplete one.
 * @typedef {{type: "text", text: string, annotations: object[], links: object[]} | {type: "refusal", text: string}
 *   | {type: "image", fileId: ?string, url: ?string}} Part
 * @typedef {{kind: "call", key: string, runId: string, type: string, name: string, arguments: string, output: ?string,
 *   input: string, outputs: object[], results: object[], state: string, approval: boolean, question: ?Question}} Call
 *   `state`: running, waiting, completed, failed, cancelled, expired; `approval`: it is nothing but the question whether
 *   a tool of the upstream may be called.
 * @typedef {{kind: "thinking", key: string, runId: string, text: string, done: boolean}} Thinking
 * @typedef {{approval: boolean, answer: ?string, working: boolean, sending: boolean, error: ?string}} Question
 *   what a call waits for: approval or output; `working`: a function of the page is at it.
 * @typedef {{kind: "ending", key: string, runId: string, status: string, message: string, again: boolean,
 *   past: boolean}} Ending
 *   `again`: it can be tried again; `past`: more was said since.
 * @typedef {Message | Call | Thinking | Ending} Entry
 */

const UPSTREAM_APPROVAL = "mcp_approval.";
const APPROVAL = /^(?:mcp_)?approval\./;
const BUSY = new Set(["queued", "in_progress", "cancelling"]);
const ENDED = new Set(["completed", "incomplete", "failed", "cancelled", "expired"]);
const CUT_SHORT = {
  max_completion_tokens: "The answer reached its limit of length.",
  max_prompt_tokens: "The conversation reached its limit of length.",
};

/** Say whether a run has ended for good. */
export const hasEnded = (run) => ENDED.has(run.status);

/** Say whether a run is at work, which a run that waits for an answer is not. */
export const isBusy = (run) => BUSY.has(run.status);

/** @returns {Message} */
export function messageEntry(message) {
  return {
    kind: "message",
    key: message.id,
    id: message.id,
    runId: message.run_id ?? null,
    role: message.role,
    status: message.status ?? "completed",
    reason: message.incomplete_details?.reason ?? null,
    parts: (message.content ?? []).map(part),
    attachments: message.attachments ?? [],
    error: null,
  };
}

/** @returns {Message} a message that the server does not have yet. */
export function draftEntry(key, content, attachments) {
  const text = typeof content === "string" ? content : content.map((one) => one.text).join("\n\n");
  const message = { role: "user", status: "sending", attachments, content: [{ type: "text", text: { value: text } }] };
  return { ...messageEntry(message), key, id: null };
}

/** @returns {Part} */
export function part(content) {
  if (content.type === "text") {
    const { value = "", annotations = [], x_url_citations: links = [] } = content.text ?? {};
    return { type: "text", text: value, annotations: [...annotations], links: [...links] };
  }
  if (content.type === "refusal") return { type: "refusal", text: content.refusal ?? "" };
  return { type: "image", fileId: content.image_file?.file_id ?? null, url: content.image_url?.url ?? null };
}

/** Add a piece of `thread.message.delta` to a message. */
export function addPiece(message, piece) {
  const known = message.parts[piece.index];
  if (!known) {
    message.parts[piece.index] = part(piece);
    return;
  }
  const more = part(piece);
  if (more.type === "image") Object.assign(known, more);
  else known.text += more.text;
  if (more.type === "text") {
    known.annotations.push(...more.annotations);
    known.links.push(...more.links);
  }
}

/** @returns {Call} */
export function callEntry(call, runId, status) {
  const { code_interpreter: code, file_search: search } = call;
  const { name = call.type, arguments: given = "", output = null } = call.function ?? {};
  return {
    kind: "call",
    key: call.id,
    runId,
    type: call.type,
    name: toolName(name),
    arguments: given,
    output,
    input: code?.input ?? "",
    outputs: (code?.outputs ?? []).map(codeOutput),
    results: search?.results ?? [],
    state: callState(call, status),
    approval: name.startsWith(UPSTREAM_APPROVAL),
    question: null,
  };
}

/** Add a piece of `thread.run.step.delta` to a call. */
export function addCallPiece(call, piece) {
  const { code_interpreter: code, file_search: search, function: called } = piece;
  call.arguments += called?.arguments ?? "";
  if (called?.output != null) call.output = (call.output ?? "") + called.output;
  call.input += code?.input ?? "";
  call.outputs.push(...(code?.outputs ?? []).map(codeOutput));
  call.results.push(...(search?.results ?? []));
}

function callState(call, status) {
  if (status === "in_progress") return call.function?.output == null ? "running" : "completed";
  return status ?? "completed";
}

function codeOutput(output) {
  if (output.type === "logs") return { type: "logs", text: output.logs ?? "" };
  return { type: "image", fileId: output.image?.file_id ?? null, url: null };
}

const toolName = (name) => name.replace(APPROVAL, "");

/** Return the calls that a run in `requires_action` waits for. */
export function askedCalls(run) {
  return run.required_action?.submit_tool_outputs?.tool_calls ?? [];
}

/** @returns {Question} */
export function question(asked) {
  return { approval: APPROVAL.test(asked.function.name), answer: null, working: false, sending: false, error: null };
}

/** @returns {?Ending} how a run ended that did not complete, or null for one that did. */
export function endingEntry(run) {
  if (run.status === "completed") return null;
  return {
    kind: "ending",
    key: `${run.id}:ending`,
    runId: run.id,
    status: run.status,
    message: endingMessage(run),
    again: run.status !== "cancelled",
    past: false,
  };
}

function endingMessage(run) {
  if (run.status === "failed") return run.last_error?.message || "The answer failed.";
  if (run.status === "expired") return "Nobody answered in time, so the assistant has stopped waiting.";
  if (run.status === "incomplete") return CUT_SHORT[run.incomplete_details?.reason] ?? "The answer was cut short.";
  return "Stopped";
}
