/** The functions of this page that the assistant may call. */
import type { RequiredActionFunctionToolCall } from "openai/resources/beta/threads/runs/runs";

import type { ToolOutput } from "./api";

type Tool = (parameters: Record<string, unknown>) => unknown;

const tools: Record<string, Tool> = {
  get_weather: ({ location, unit = "c" }) => ({ location, temperature: unit === "f" ? 70 : 21, unit, sky: "sunny" }),
};

const APPROVAL = "approval.";

/** Returns the output of a call. For a server function that needs approval, it asks the user. */
function outputOf(name: string, text: string): string {
  if (name.startsWith(APPROVAL)) return String(window.confirm(`Allow ${name.slice(APPROVAL.length)} ${text}?`));
  const tool = tools[name];
  if (!tool) return JSON.stringify({ error: `This page has no function ${name}.` });
  try {
    return JSON.stringify(tool(JSON.parse(text)));
  } catch (reason) {
    return JSON.stringify({ error: String(reason) }); // the model receives the error
  }
}

export function answerCall(call: RequiredActionFunctionToolCall): ToolOutput {
  return { tool_call_id: call.id, output: outputOf(call.function.name, call.function.arguments) };
}
