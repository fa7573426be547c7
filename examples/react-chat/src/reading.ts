/** Reading one run, and the runs' streams that follow its calls, to the end. */
import { AssistantStream } from "openai/lib/AssistantStream";
import type { Run } from "openai/resources/beta/threads/runs/runs";

import { cancelRun, sendOutputs } from "./api";
import { backend } from "./config/api";
import { type Entry, ofCall, ofMessage } from "./entries";
import { resumable } from "./resumable";
import { answerCall } from "./tools";

/** What is being read. */
export interface Reading {
  gaveUp: AbortController;
  stream?: AssistantStream;
}

/** Reads a run to its end, shows what it says, and answers what it asks of this page on the way. */
export async function readRun(response: Response, reading: Reading, show: (entry: Entry) => void): Promise<Run> {
  const { signal } = reading.gaveUp;
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
  stream.on("messageDelta", (_, message) => show(ofMessage(message)));
  stream.on("messageDone", (message) => show(ofMessage(message)));
  stream.on("toolCallCreated", (call) => show(ofCall(call)));
  stream.on("toolCallDelta", (_, call) => show(ofCall(call)));
  stream.on("runStepDone", ({ step_details: done }) => {
    if (done.type === "tool_calls") for (const call of done.tool_calls) show(ofCall(call));
  });
}

/** Ends the run, where the server can do that, or else gives up reading it. */
export async function stopReading({ stream, gaveUp }: Reading): Promise<void> {
  const run = stream?.currentRun();
  if (run && backend.keepsRuns) await cancelRun(run);
  else gaveUp.abort();
}

const ENDINGS: Record<string, string> = {
  cancelled: "Stopped.",
  expired: "The assistant waited too long for an answer of this page.",
  incomplete: "The answer was cut off.",
};

/** Says what there is to say of a run's end; nothing where all was said. */
export function endingOf(run: Run): string | null {
  if (run.status === "completed") return null;
  return run.last_error?.message ?? ENDINGS[run.status] ?? `The run is ${run.status}.`;
}
