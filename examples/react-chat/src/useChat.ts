/** One conversation: what was said, and what can be done. */
import { AssistantStream } from "openai/lib/AssistantStream";
import type { Run } from "openai/resources/beta/threads/runs/runs";
import { useCallback, useEffect, useReducer, useRef, useState } from "react";

import { cancelRun, followRun, openThread, readMessages, sendMessage, sendOutputs } from "./api";
import { backend } from "./config/api";
import { changed, ofCall, ofMessage } from "./entries";
import { resumable } from "./resumable";
import * as saved from "./saved";
import { answerCall } from "./tools";

/** What is being read: `stop` gives it up, or ends its run where the server can do that. */
interface Reading {
  gaveUp: AbortController;
  stream?: AssistantStream;
}

const ENDINGS: Record<string, string> = {
  cancelled: "Stopped.",
  expired: "The assistant waited too long for an answer of this page.",
  incomplete: "The answer was cut off.",
};

export function useChat() {
  const [entries, change] = useReducer(changed, []);
  const [open, setOpen] = useState(0); // readings under way: a new message may replace a run that is being read
  const threadId = useRef<string | null>(null);
  const latest = useRef<Reading | null>(null);

  const notice = useCallback((text: string) => {
    change({ put: { kind: "notice", id: crypto.randomUUID(), text } });
  }, []);

  /** Reads a run to its end, and answers what it asks of this page on the way. */
  const read = useCallback(async (first: Response, reading: Reading): Promise<Run> => {
    for (let response = first; ; ) {
      const { signal } = reading.gaveUp;
      const body = backend.keepsRuns ? resumable(response, signal) : response.body!;
      const stream = AssistantStream.fromReadableStream(body);
      reading.stream = stream;
      stream.on("messageDelta", (_, message) => change({ put: ofMessage(message) }));
      stream.on("messageDone", (message) => change({ put: ofMessage(message) }));
      stream.on("toolCallCreated", (call) => change({ put: ofCall(call) }));
      stream.on("toolCallDelta", (_, call) => change({ put: ofCall(call) }));
      stream.on("runStepDone", ({ step_details: done }) => {
        if (done.type === "tool_calls") for (const call of done.tool_calls) change({ put: ofCall(call) });
      });
      const run = await stream.finalRun();
      if (run.status !== "requires_action" || !run.required_action) return run;
      const outputs = run.required_action.submit_tool_outputs.tool_calls.map(answerCall);
      response = await sendOutputs(run, outputs, signal);
    }
  }, []);

  /** Shows an answer from its request to its end; says whether the request was taken. */
  const show = useCallback(
    async (ask: (signal: AbortSignal) => Promise<Response>): Promise<boolean> => {
      const reading: Reading = { gaveUp: new AbortController() };
      latest.current = reading;
      let taken = false;
      setOpen((count) => count + 1);
      try {
        const response = await ask(reading.gaveUp.signal);
        taken = true;
        const run = await read(response, reading);
        const replaced = latest.current !== reading && run.status === "cancelled";
        if (run.status !== "completed" && !replaced) notice(run.last_error?.message ?? ENDINGS[run.status] ?? run.status);
      } catch (reason) {
        notice(reading.gaveUp.signal.aborted ? "Stopped." : (reason as Error).message);
      } finally {
        if (latest.current === reading) saved.forgetRun();
        setOpen((count) => count - 1);
      }
      return taken;
    },
    [read, notice],
  );

  const send = useCallback(
    async (content: string): Promise<boolean> => {
      const id = crypto.randomUUID();
      change({ put: { kind: "message", id, from: "user", text: content, images: [] } });
      const taken = await show(async (signal) => {
        threadId.current = await openThread(threadId.current);
        const response = await sendMessage(threadId.current, content, signal);
        threadId.current = response.headers.get("X-Thread-Id") ?? threadId.current;
        saved.keep(threadId.current, response.headers.get("X-Run-Id"));
        return response;
      });
      if (!taken) change({ remove: id });
      return taken;
    },
    [show],
  );

  const stop = useCallback(async () => {
    const run = latest.current?.stream?.currentRun();
    if (!run || !backend.keepsRuns) return latest.current?.gaveUp.abort();
    await cancelRun(run).catch((reason: Error) => notice(reason.message));
  }, [notice]);

  const restore = useCallback(
    async (thread: string, run: string | null) => {
      threadId.current = thread;
      for (const message of await readMessages(thread)) change({ put: ofMessage(message) });
      if (run) await show(() => followRun(thread, run));
    },
    [show],
  );

  const begun = useRef(false);
  useEffect(() => {
    const kept = saved.read();
    if (begun.current || !kept.threadId || !backend.keepsRuns) return;
    begun.current = true;
    restore(kept.threadId, kept.runId).catch(() => {
      threadId.current = null; // it is not there any more
      saved.forget();
    });
  }, [restore]);

  useEffect(() => () => latest.current?.gaveUp.abort(), []);

  return { entries, busy: open > 0, send, stop };
}
