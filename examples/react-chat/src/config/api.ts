/** Which server the page talks to: paths, bodies, and what the server can do. */
export interface Backend {
  /** Before every path, without a slash at its end. */
  baseUrl: string;
  /** Path and body of a message on a thread; without one, on a new thread. */
  message(threadId: string | null, content: string): { path: string; body: object };
  /** Whether the message route makes the thread by itself, and names it in `X-Thread-Id`. */
  makesThreads: boolean;
  /** Whether runs can be stopped and read again, and threads be read. */
  keepsRuns: boolean;
}

const given = import.meta.env.VITE_API_BASE_URL?.replace(/\/$/, "");

/** The blueprint in a Flask app. */
const flask: Backend = {
  baseUrl: given ?? "http://127.0.0.1:5000/api/assistants",
  message: (threadId, content) => ({ path: "/chat/stream", body: { content, threadId } }),
  makesThreads: true,
  keepsRuns: true,
};

/** The API routes of OpenAI's Next.js quickstart. */
const next: Backend = {
  baseUrl: given ?? "/api/assistants",
  message: (threadId, content) => ({ path: `/threads/${threadId}/messages`, body: { content } }),
  makesThreads: false,
  keepsRuns: false,
};

// The switch: "flask" or "next", here or in the environment of the build.
export const backend = { flask, next }[import.meta.env.VITE_BACKEND ?? "flask"];
