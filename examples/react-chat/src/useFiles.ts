/** The files that the assistant may search. The list is polled while a file is being indexed. */
import { useCallback, useEffect, useState } from "react";

import { deleteFile, listFiles, type UploadedFile, uploadFile } from "./api";

const POLL_MS = 1000;

export function useFiles() {
  const [files, setFiles] = useState<UploadedFile[]>([]);
  const [error, setError] = useState("");

  const report = useCallback((reason: Error) => setError(reason.message), []);
  const refresh = useCallback(() => listFiles().then(setFiles).catch(report), [report]);

  useEffect(() => void refresh(), [refresh]);

  useEffect(() => {
    if (!files.some((file) => file.status === "in_progress")) return;
    const timer = setTimeout(refresh, POLL_MS);
    return () => clearTimeout(timer);
  }, [files, refresh]);

  /** Runs an action, then reloads the list. Only a new action clears an error: a late reload must not hide it. */
  async function act(action: () => Promise<void>) {
    setError("");
    await action().catch(report);
    await refresh();
  }

  async function uploadAll(chosen: Iterable<File>) {
    for (const file of chosen) await uploadFile(file);
  }
  const upload = (chosen: Iterable<File>) => act(() => uploadAll(chosen));
  const remove = (fileId: string) => act(() => deleteFile(fileId));
  return { files, error, upload, remove };
}
