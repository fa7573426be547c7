/** The tab's state that survives a reload: its thread, and the run being read. */
const THREAD = "threadId";
const RUN = "runId";

export function read(): { threadId: string | null; runId: string | null } {
  return { threadId: sessionStorage.getItem(THREAD), runId: sessionStorage.getItem(RUN) };
}

export function keep(threadId: string | null, runId: string | null) {
  if (threadId) sessionStorage.setItem(THREAD, threadId);
  if (runId) sessionStorage.setItem(RUN, runId);
}

export function forgetRun() {
  sessionStorage.removeItem(RUN);
}

export function forget() {
  sessionStorage.removeItem(THREAD);
  forgetRun();
}
