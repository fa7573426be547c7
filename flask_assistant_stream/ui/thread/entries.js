/** The entries of the log: plain objects built from the API's objects, without a DOM. */

/**
 * @typedef {{kind: "message", key: string, id: ?string, runId: ?string, role: string, status: string, reason: ?string,
 *   parts: Part[], attachments: object[], created: ?number, error: ?string}} Message
 *   `status`: sending, refused, in_progress, completed, incomplete; `reason` of an incomplete one.
 * @typedef {{type: "text", text: string, annotations: object[], links: object[]} | {type: "refusal", text: string}
 *   | {type: "image", fileId: ?string, url: ?string}} Part
 * @typedef {{kind: "call", key: string, runId: string, type: string, name: string, arguments: string, output: ?string,
 *   input: string, outputs: object[], results: object[], state: string, approval: boolean, question: ?Question}} Call
 *   `state`: running, waiting, completed, failed, cancelled, expired; `approval`: the entry only asks to approve a tool
 *   call of the upstream.
 * @typedef {{kind: "thinking", key: string, runId: string, text: string, done: boolean}} Thinking
 * @typedef {{approval: boolean, answer: ?string, working: boolean, sending: boolean, error: ?string}} Question
 *   a call that waits for approval or output; `working`: a function in the page is running.
 * @typedef {{kind: "ending", key: string, runId: string, status: string, message: string, again: boolean,
 *   past: boolean}} Ending
 *   `again`: it can be tried again; `past`: newer messages exist.
 * @typedef {Message | Call | Thinking | Ending} Entry
 */

const UPSTREAM_APPROVAL = "mcp_approval.";
const APPROVAL = /^(?:mcp_)?approval\./;
const BUSY = new Set(["queued", "in_progress", "cancelling"]);
const ENDED = new Set(["completed", "incomplete", "failed", "cancelled", "expired"]);
const CUT_SHORT = {
  max_completion_tokens: "The answer reached its length limit.",
  max_prompt_tokens: "The conversation reached its length limit.",
};

/** Return true if a run has ended. */
export const hasEnded = (run) => ENDED.has(run.status);

/** Return true if a run is active. A run that waits for an answer is not. */
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
    created: message.created_at ?? null,
    error: null,
  };
}

/** @returns {Message} a message that the server has not stored yet. */
export function draftEntry(key, content, attachments) {
  const text = typeof content === "string" ? content : content.map((item) => item.text).join("\n\n");
  const message = { role: "user", status: "sending", attachments, content: [{ type: "text", text: { value: text } }] };
  return { ...messageEntry(message), key, id: null };
}

/** @returns {Part} */
export function part(content) {
  if (content?.type === "text") {
    const { value, annotations, x_url_citations: links } = content.text ?? {};
    return { type: "text", text: value ?? "", annotations: [...(annotations ?? [])], links: [...(links ?? [])] };
  }
  if (content?.type === "refusal") return { type: "refusal", text: content.refusal ?? "" };
  return { type: "image", fileId: content?.image_file?.file_id ?? null, url: content?.image_url?.url ?? null };
}

/** Add a piece of `thread.message.delta` to a message. */
export function addPiece(message, piece) {
  const current = message.parts[piece.index];
  if (!current) {
    message.parts[piece.index] = part(piece);
    return;
  }
  const more = part(piece);
  if (more.type === "image") Object.assign(current, more);
  else current.text += more.text;
  if (more.type === "text") {
    current.annotations.push(...more.annotations);
    current.links.push(...more.links);
  }
}

/** @returns {Call} */
export function callEntry(call, runId, status) {
  const { code_interpreter: code, file_search: search } = call;
  const { name = call.type, arguments: text = "", output = null } = call.function ?? {};
  return {
    kind: "call",
    key: call.id,
    runId,
    type: call.type,
    name: toolName(name),
    arguments: text,
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
  const { code_interpreter: code, file_search: search, function: part } = piece;
  call.arguments += part?.arguments ?? "";
  if (part?.output != null) call.output = (call.output ?? "") + part.output;
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
export function requiredCalls(run) {
  return run.required_action?.submit_tool_outputs?.tool_calls ?? [];
}

/** @returns {Question} */
export function question(call) {
  return { approval: APPROVAL.test(call.function.name), answer: null, working: false, sending: false, error: null };
}

/** @returns {?Ending} the ending of a run that did not complete, or null if it completed. */
export function endingEntry(run) {
  if (run.status === "completed") return null;
  return {
    kind: "ending",
    key: `${run.id}:ending`,
    runId: run.id,
    status: run.status,
    message: endingMessage(run),
    again: run.status !== "cancelled" && run.last_error?.code !== "invalid_prompt" && !isFull(run),
    past: false,
  };
}

/** Return true for a conversation that is too long for any answer. */
const isFull = (run) => run.incomplete_details?.reason === "max_prompt_tokens";

/** The reason of a failure is for the operator, who finds it in the log: it may name servers. */
const FAILURES = {
  invalid_prompt: "The assistant cannot answer this. Change your message, or start a new chat.",
  rate_limit_exceeded: "The assistant has too many requests. Wait a moment, then try again.",
  server_error: "The assistant could not answer. Try again in a moment.",
};

function endingMessage(run) {
  if (run.status === "failed") return FAILURES[run.last_error?.code] ?? FAILURES.server_error;
  if (run.status === "expired") return "No answer arrived in time, so the assistant stopped waiting.";
  if (run.status === "incomplete") return CUT_SHORT[run.incomplete_details?.reason] ?? "The answer was cut short.";
  return "Stopped";
}
