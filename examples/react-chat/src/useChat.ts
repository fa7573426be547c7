/** One conversation: what was said, and what can be done. */
import { useCallback, useEffect, useReducer, useRef, useState } from "react";

import { followRun, openThread, readMessages, sendMessage } from "./api";
import { backend } from "./config/api";
import { changed, type Entry, ofMessage } from "./entries";
import { endingOf, type Reading, readRun, stopReading } from "./reading";
import * as saved from "./saved";

let made = 0;

/** An id for an entry that has none from the server. */
function ownId(): string {
  made += 1;
  return `own_${made}`;
}

export function useChat() {
  const [entries, change] = useReducer(changed, []);
  const [open, setOpen] = useState(0); // readings under way: a new message may replace a run that is being read
  const threadId = useRef<string | null>(null);
  const latest = useRef<Reading | null>(null);
  // The last request, until its headers name the thread: a message sent before that belongs to the same thread.
  const headersCame = useRef<Promise<unknown>>(Promise.resolve());

  const put = useCallback((entry: Entry) => change({ put: entry }), []);
  const notice = useCallback((text: string) => put({ kind: "notice", id: ownId(), text }), [put]);

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
        const run = await readRun(response, reading, put);
        const replaced = latest.current !== reading && run.status === "cancelled";
        const ending = replaced ? null : endingOf(run);
        if (ending) notice(ending);
      } catch (reason) {
        notice(reading.gaveUp.signal.aborted ? "Stopped." : (reason as Error).message);
      } finally {
        if (latest.current === reading) saved.forgetRun();
        setOpen((count) => count - 1);
      }
      return taken;
    },
    [put, notice],
  );

  const send = useCallback(
    async (content: string): Promise<boolean> => {
      const id = ownId();
      put({ kind: "message", id, from: "user", text: content, images: [] });
      const taken = await show((signal) => {
        const asked = headersCame.current.then(async () => {
          threadId.current = await openThread(threadId.current);
          const response = await sendMessage(threadId.current, content, signal);
          threadId.current = response.headers.get("X-Thread-Id") ?? threadId.current;
          saved.keep(threadId.current, response.headers.get("X-Run-Id"));
          return response;
        });
        headersCame.current = asked.catch(() => undefined);
        return asked;
      });
      if (!taken) change({ remove: id });
      return taken;
    },
    [put, show],
  );

  const stop = useCallback(async () => {
    if (latest.current) await stopReading(latest.current).catch((reason: Error) => notice(reason.message));
  }, [notice]);

  const restore = useCallback(
    async (thread: string, run: string | null) => {
      const messages = await readMessages(thread);
      threadId.current = thread;
      messages.forEach((message) => put(ofMessage(message)));
      if (run) await show(() => followRun(thread, run));
    },
    [put, show],
  );
  useRestoring(restore);

  useEffect(() => () => latest.current?.gaveUp.abort(), []);

  return { entries, busy: open > 0, send, stop };
}

/** Takes up, once, what this tab had open before a reload. */
function useRestoring(restore: (threadId: string, runId: string | null) => Promise<void>) {
  const begun = useRef(false);
  useEffect(() => {
    if (begun.current) return;
    begun.current = true;
    const { threadId, runId } = saved.read();
    if (threadId && backend.keepsRuns) restore(threadId, runId).catch(saved.forget); // the thread is gone
  }, [restore]);
}
