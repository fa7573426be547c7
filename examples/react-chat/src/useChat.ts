/** One conversation: its entries and its actions. */
import { useCallback, useEffect, useReducer, useRef, useState } from "react";

import { followRun, openThread, readMessages, sendMessage } from "./api";
import { backend } from "./config/api";
import { type Entry, messageEntry, reduceEntries } from "./entries";
import { endingOf, type Reading, readRun, stopReading } from "./reading";
import * as saved from "./saved";

let lastId = 0;

/** Returns an id for an entry that has none from the server. */
function ownId(): string {
  lastId += 1;
  return `own_${lastId}`;
}

export function useChat() {
  const [entries, change] = useReducer(reduceEntries, []);
  const [open, setOpen] = useState(0); // number of runs being read: a new message may replace a run
  const threadId = useRef<string | null>(null);
  const latest = useRef<Reading | null>(null);
  // Settles when the last response's headers arrive: a message sent before that belongs to the same thread.
  const headersArrived = useRef<Promise<unknown>>(Promise.resolve());

  const put = useCallback((entry: Entry) => change({ put: entry }), []);
  const notice = useCallback((text: string) => put({ kind: "notice", id: ownId(), text }), [put]);

  /** Shows an answer from its request to its end. Returns true if the server accepted the request. */
  const show = useCallback(
    async (request: (signal: AbortSignal) => Promise<Response>): Promise<boolean> => {
      const reading: Reading = { aborter: new AbortController() };
      latest.current = reading;
      let accepted = false;
      setOpen((count) => count + 1);
      try {
        const response = await request(reading.aborter.signal);
        accepted = true;
        const run = await readRun(response, reading, put);
        const replaced = latest.current !== reading && run.status === "cancelled";
        const ending = replaced ? null : endingOf(run);
        if (ending) notice(ending);
      } catch (reason) {
        notice(reading.aborter.signal.aborted ? "Stopped." : (reason as Error).message);
      } finally {
        if (latest.current === reading) saved.forgetRun();
        setOpen((count) => count - 1);
      }
      return accepted;
    },
    [put, notice],
  );

  const send = useCallback(
    async (content: string): Promise<boolean> => {
      const id = ownId();
      put({ kind: "message", id, from: "user", text: content, images: [] });
      const accepted = await show((signal) => {
        const pending = headersArrived.current.then(async () => {
          threadId.current = await openThread(threadId.current);
          const response = await sendMessage(threadId.current, content, signal);
          threadId.current = response.headers.get("X-Thread-Id") ?? threadId.current;
          saved.keep(threadId.current, response.headers.get("X-Run-Id"));
          return response;
        });
        headersArrived.current = pending.catch(() => undefined);
        return pending;
      });
      if (!accepted) change({ remove: id });
      return accepted;
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
      messages.forEach((message) => put(messageEntry(message)));
      if (run) await show(() => followRun(thread, run));
    },
    [put, show],
  );
  useRestoring(restore);

  useEffect(() => () => latest.current?.aborter.abort(), []);

  return { entries, busy: open > 0, send, stop };
}

/** Restores, once, the conversation that this tab had open before a reload. */
function useRestoring(restore: (threadId: string, runId: string | null) => Promise<void>) {
  const started = useRef(false);
  useEffect(() => {
    if (started.current) return;
    started.current = true;
    const { threadId, runId } = saved.read();
    if (threadId && backend.keepsRuns) restore(threadId, runId).catch(saved.forget); // the thread is gone
  }, [restore]);
}
