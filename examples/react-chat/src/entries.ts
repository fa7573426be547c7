/** The entries of the log, built from the objects of the stream's decoder. */
import type { Message } from "openai/resources/beta/threads/messages";
import type { ToolCall } from "openai/resources/beta/threads/runs/steps";

import { fileAddress } from "./api";

export type Entry =
  | { kind: "message"; id: string; from: "user" | "assistant"; text: string; images: string[] }
  | { kind: "call"; id: string; name: string; arguments: string; output: string | null }
  | { kind: "notice"; id: string; text: string };

export type Change = { put: Entry } | { remove: string };

/** Replaces the entry with the same id, or appends the entry. */
export function reduceEntries(entries: Entry[], change: Change): Entry[] {
  if ("remove" in change) return entries.filter((entry) => entry.id !== change.remove);
  const at = entries.findIndex((entry) => entry.id === change.put.id);
  return at < 0 ? [...entries, change.put] : entries.with(at, change.put);
}

/** Returns the entry of a message. It is a copy, because the decoder changes its snapshots in place. */
export function messageEntry(message: Message): Entry {
  const texts = message.content.flatMap((part) => {
    if (part.type === "refusal") return [part.refusal];
    return part.type === "text" ? [withLinks(part.text)] : [];
  });
  const images = message.content.flatMap((part) =>
    part.type === "image_file" ? [fileAddress(part.image_file.file_id)] : [],
  );
  return { kind: "message", id: message.id, from: message.role, text: texts.join("\n\n"), images };
}

type Text = Extract<Message["content"][number], { type: "text" }>["text"];

/** Replaces citations by numbered links, and `sandbox:/…` addresses of the code interpreter by download URLs. */
function withLinks(text: Text): string {
  return (text.annotations ?? []).reduce((value, note, index) => {
    if (note.type === "file_path") return value.replaceAll(note.text, fileAddress(note.file_path.file_id));
    return value.replaceAll(note.text, ` [[${index + 1}]](${fileAddress(note.file_citation.file_id)})`);
  }, text.value ?? "");
}

/** Returns the entry of a call, as far as it is decoded. A file search has no name and no arguments. */
export function callEntry(call: ToolCall): Entry {
  if (call.type === "function") {
    const { name, arguments: text, output } = call.function;
    return { kind: "call", id: call.id, name, arguments: text ?? "", output: output ?? null };
  }
  const input = call.type === "code_interpreter" ? call.code_interpreter.input : "";
  return { kind: "call", id: call.id, name: call.type, arguments: input ?? "", output: null };
}
