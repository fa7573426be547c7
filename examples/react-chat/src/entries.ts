/** What stands in the log of the page, made from what the stream's decoder gives. */
import type { Message } from "openai/resources/beta/threads/messages";
import type { ToolCall } from "openai/resources/beta/threads/runs/steps";

import { fileAddress } from "./api";

export type Entry =
  | { kind: "message"; id: string; from: "user" | "assistant"; text: string; images: string[] }
  | { kind: "call"; id: string; name: string; given: string; output: string | null }
  | { kind: "notice"; id: string; text: string };

export type Change = { put: Entry } | { remove: string };

/** Puts an entry in the place of the one with its id, or at the end. */
export function changed(entries: Entry[], change: Change): Entry[] {
  if ("remove" in change) return entries.filter((entry) => entry.id !== change.remove);
  const at = entries.findIndex((entry) => entry.id === change.put.id);
  return at < 0 ? [...entries, change.put] : entries.with(at, change.put);
}

/** The decoder's snapshots grow in place; an entry is a copy, so that React sees the difference. */
export function ofMessage(message: Message): Entry {
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

/** Citations become numbers, and files that the code interpreter names as `sandbox:/…` addresses, all to download. */
function withLinks(text: Text): string {
  return (text.annotations ?? []).reduce((said, one, index) => {
    if (one.type === "file_path") return said.replaceAll(one.text, fileAddress(one.file_path.file_id));
    return said.replaceAll(one.text, ` [[${index + 1}]](${fileAddress(one.file_citation.file_id)})`);
  }, text.value ?? "");
}

/** A call that the decoder has seen so far; file searches have no name and no arguments of their own. */
export function ofCall(call: ToolCall): Entry {
  if (call.type === "function") {
    const { name, arguments: given, output } = call.function;
    return { kind: "call", id: call.id, name, given: given ?? "", output: output ?? null };
  }
  const given = call.type === "code_interpreter" ? call.code_interpreter.input : "";
  return { kind: "call", id: call.id, name: call.type, given: given ?? "", output: null };
}
