/** The requests of the page. Whatever goes wrong is an Error whose message is fit for people. */
import type { Message } from "openai/resources/beta/threads/messages";
import type { Run } from "openai/resources/beta/threads/runs/runs";

import { backend } from "./config/api";

export interface UploadedFile {
  file_id: string;
  filename: string;
  status: string;
}

export interface ToolOutput {
  tool_call_id: string;
  output: string;
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(backend.baseUrl + path, { credentials: "include", ...init }).catch((reason: Error) => {
    throw reason.name === "AbortError" ? reason : new Error("The server cannot be reached. Try again in a moment.");
  });
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw new Error(body?.error?.message ?? `The server answered ${response.status}.`);
}

function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Makes a thread where the message route does not. */
export async function openThread(threadId: string | null): Promise<string | null> {
  if (threadId || backend.makesThreads) return threadId;
  return (await (await post("/threads", {})).json()).threadId;
}

/** Sends a message; the response is the stream of its run. */
export function sendMessage(threadId: string | null, content: string, signal: AbortSignal): Promise<Response> {
  const { path, body } = backend.message(threadId, content);
  return post(path, body, signal);
}

/** Answers the calls of a run; the response is the stream of what follows. */
export function sendOutputs(run: Run, toolCallOutputs: ToolOutput[], signal: AbortSignal): Promise<Response> {
  return post(`/threads/${run.thread_id}/actions`, { runId: run.id, toolCallOutputs }, signal);
}

export async function cancelRun(run: Run): Promise<void> {
  await post(`/threads/${run.thread_id}/runs/${run.id}/cancel`, {});
}

/** Reads the events of a run behind a number. */
export function followRun(threadId: string, runId: string, after = 0): Promise<Response> {
  return request(`/threads/${threadId}/runs/${runId}/stream?after=${after}`);
}

/** The last hundred messages of a thread, the oldest first. */
export async function readMessages(threadId: string): Promise<Message[]> {
  const page = await (await request(`/threads/${threadId}/messages?limit=100`)).json();
  return page.data.reverse();
}

export async function listFiles(): Promise<UploadedFile[]> {
  return (await request("/files")).json();
}

export async function uploadFile(file: File): Promise<void> {
  const body = new FormData();
  body.append("file", file);
  await request("/files", { method: "POST", body });
}

export async function deleteFile(fileId: string): Promise<void> {
  await request("/files", { method: "DELETE", body: JSON.stringify({ fileId }) });
}

/** Where a file is downloaded. */
export function fileAddress(fileId: string): string {
  return `${backend.baseUrl}/files/${fileId}`;
}
