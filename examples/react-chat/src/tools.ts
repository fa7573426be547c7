/** Functions that the assistant calls and this page answers. */
import type { RequiredActionFunctionToolCall } from "openai/resources/beta/threads/runs/runs";

import type { ToolOutput } from "./api";

type Tool = (given: Record<string, unknown>) => unknown;

const tools: Record<string, Tool> = {
  get_weather: ({ location, unit = "c" }) => ({ location, temperature: unit === "f" ? 70 : 21, unit, sky: "sunny" }),
};

const APPROVAL = "approval.";

/** Returns the output of a call. A function of the server that needs a person's approval is asked for here, too. */
function outputOf(name: string, given: string): string {
  if (name.startsWith(APPROVAL)) return String(window.confirm(`Allow ${name.slice(APPROVAL.length)} ${given}?`));
  const tool = tools[name];
  if (!tool) return JSON.stringify({ error: `This page has no function ${name}.` });
  try {
    return JSON.stringify(tool(JSON.parse(given)));
  } catch (reason) {
    return JSON.stringify({ error: String(reason) }); // the model hears what is wrong
  }
}

export function answerCall(call: RequiredActionFunctionToolCall): ToolOutput {
  return { tool_call_id: call.id, output: outputOf(call.function.name, call.function.arguments) };
}
