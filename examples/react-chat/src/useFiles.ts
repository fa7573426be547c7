/** The files that the assistant may search. The list is polled while a file is being indexed. */
import { useCallback, useEffect, useState } from "react";

import { deleteFile, listFiles, type UploadedFile, uploadFile } from "./api";

const POLL_MS = 1000;

export function useFiles() {
  const [files, setFiles] = useState<UploadedFile[]>([]);
  const [error, setError] = useState("");

  /** Runs an action, then reloads the list. */
  const after = useCallback(async (action: () => Promise<unknown>) => {
    try {
      await action();
      setFiles(await listFiles());
      setError("");
    } catch (reason) {
      setError((reason as Error).message);
    }
  }, []);

  useEffect(() => void after(async () => undefined), [after]);

  useEffect(() => {
    if (!files.some((file) => file.status === "in_progress")) return;
    const timer = setTimeout(() => after(async () => undefined), POLL_MS);
    return () => clearTimeout(timer);
  }, [files, after]);

  const upload = (chosen: Iterable<File>) =>
    after(async () => {
      for (const file of chosen) await uploadFile(file);
    });
  const remove = (fileId: string) => after(() => deleteFile(fileId));
  return { files, error, upload, remove };
}
