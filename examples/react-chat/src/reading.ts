/** Reads one run to its end, including the streams that follow its calls. */
import { AssistantStream } from "openai/lib/AssistantStream";
import type { Run } from "openai/resources/beta/threads/runs/runs";

import { cancelRun, sendOutputs } from "./api";
import { backend } from "./config/api";
import { callEntry, type Entry, messageEntry } from "./entries";
import { resumable } from "./resumable";
import { answerCall } from "./tools";

/** A run that is being read. */
export interface Reading {
  aborter: AbortController;
  stream?: AssistantStream;
}

/** Reads a run to its end, shows its messages, and answers its calls of this page's functions. */
export async function readRun(response: Response, reading: Reading, show: (entry: Entry) => void): Promise<Run> {
  const { signal } = reading.aborter;
  for (;;) {
    const body = backend.keepsRuns ? resumable(response, signal) : response.body!;
    reading.stream = AssistantStream.fromReadableStream(body);
    listen(reading.stream, show);
    const run = await reading.stream.finalRun();
    if (run.status !== "requires_action" || !run.required_action) return run;
    const outputs = run.required_action.submit_tool_outputs.tool_calls.map(answerCall);
    response = await sendOutputs(run, outputs, signal);
  }
}

function listen(stream: AssistantStream, show: (entry: Entry) => void) {
  stream.on("messageDelta", (_, message) => show(messageEntry(message)));
  stream.on("messageDone", (message) => show(messageEntry(message)));
  stream.on("toolCallCreated", (call) => show(callEntry(call)));
  stream.on("toolCallDelta", (_, call) => show(callEntry(call)));
  stream.on("runStepDone", ({ step_details: done }) => {
    if (done.type === "tool_calls") for (const call of done.tool_calls) show(callEntry(call));
  });
}

/** Cancels the run if the server can, else stops reading it. */
export async function stopReading({ stream, aborter }: Reading): Promise<void> {
  const run = stream?.currentRun();
  if (run && backend.keepsRuns) await cancelRun(run);
  else aborter.abort();
}

const ENDINGS: Record<string, string> = {
  cancelled: "Stopped.",
  expired: "This page did not answer in time, so the assistant stopped waiting.",
  incomplete: "The answer was cut off.",
};

/** Returns a notice about a run that did not complete, or null. */
export function endingOf(run: Run): string | null {
  if (run.status === "completed") return null;
  return run.last_error?.message ?? ENDINGS[run.status] ?? `The run ended with status ${run.status}.`;
}
