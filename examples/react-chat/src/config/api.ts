/** The server of the page: its paths, bodies and features. */
export interface Backend {
  /** The prefix of every path, without a trailing slash. */
  baseUrl: string;
  /** Returns path and body of a message; null is a new thread. */
  message(threadId: string | null, content: string): { path: string; body: object };
  /** True if the message route creates the thread and returns its id in `X-Thread-Id`. */
  createsThreads: boolean;
  /** True if runs can be cancelled and resumed, and threads can be read. */
  keepsRuns: boolean;
}

const configuredUrl = import.meta.env.VITE_API_BASE_URL?.replace(/\/$/, "");

/** The blueprint in a Flask app. */
const flask: Backend = {
  baseUrl: configuredUrl ?? "http://127.0.0.1:5000/api/assistants",
  message: (threadId, content) => ({ path: "/chat/stream", body: { content, threadId } }),
  createsThreads: true,
  keepsRuns: true,
};

/** The API routes of OpenAI's Next.js quickstart. */
const next: Backend = {
  baseUrl: configuredUrl ?? "/api/assistants",
  message: (threadId, content) => ({ path: `/threads/${threadId}/messages`, body: { content } }),
  createsThreads: false,
  keepsRuns: false,
};

// The switch: "flask" or "next", set here or in the build's environment.
export const backend = { flask, next }[import.meta.env.VITE_BACKEND ?? "flask"];
