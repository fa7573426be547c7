import type { ChangeEvent } from "react";

import { fileAddress } from "./api";
import { useFiles } from "./useFiles";

const STATUSES: Record<string, string> = { in_progress: "Indexing", completed: "Ready" };

export function Files() {
  const { files, error, upload, remove } = useFiles();

  async function choose({ target }: ChangeEvent<HTMLInputElement>) {
    await upload([...(target.files ?? [])]);
    target.value = ""; // allows choosing the same file again
  }

  return (
    <aside aria-labelledby="files-title" className="files">
      <h2 id="files-title">Files</h2>
      <label className="upload">
        Upload files
        <input type="file" multiple onChange={choose} />
      </label>
      {error && <p role="alert">{error}</p>}
      <ul>
        {files.map(({ file_id: id, filename, status }) => (
          <li key={id}>
            <a href={fileAddress(id)} download dir="auto">
              {filename}
            </a>
            <span>{STATUSES[status] ?? "Failed"}</span>
            <button type="button" aria-label={`Delete ${filename}`} onClick={() => remove(id)}>
              Delete
            </button>
          </li>
        ))}
      </ul>
      {files.length === 0 && !error && <p>The assistant can search the files you upload here.</p>}
    </aside>
  );
}
