/** The requests of the page. Each failure is an Error with a message for users. */
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
  throw new Error(body?.error?.message ?? `The server responded with status ${response.status}.`);
}

function post(path: string, body: object, signal?: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return request(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/** Creates a thread if the message route does not. */
export async function openThread(threadId: string | null): Promise<string | null> {
  if (threadId || backend.createsThreads) return threadId;
  return (await (await post("/threads", {})).json()).threadId;
}

/** Sends a message; the response is the stream of its run. */
export function sendMessage(threadId: string | null, content: string, signal: AbortSignal): Promise<Response> {
  const { path, body } = backend.message(threadId, content);
  return post(path, body, signal);
}

/** Sends the outputs of a run's calls; the response is the stream of the continued run. */
export function sendOutputs(run: Run, toolCallOutputs: ToolOutput[], signal: AbortSignal): Promise<Response> {
  return post(`/threads/${run.thread_id}/actions`, { runId: run.id, toolCallOutputs }, signal);
}

export async function cancelRun(run: Run): Promise<void> {
  await post(`/threads/${run.thread_id}/runs/${run.id}/cancel`, {});
}

/** Opens the stream of a run's events after a number. */
export function followRun(threadId: string, runId: string, after = 0): Promise<Response> {
  return request(`/threads/${threadId}/runs/${runId}/stream?after=${after}`);
}

/** Returns the last hundred messages of a thread, oldest first. */
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

/** Returns the download URL of a file. */
export function fileAddress(fileId: string): string {
  return `${backend.baseUrl}/files/${fileId}`;
}
