import { type FormEvent, type KeyboardEvent, useState } from "react";
import Markdown from "react-markdown";

import type { Entry } from "./entries";
import { Files } from "./files";
import { useChat } from "./useChat";

export function Chat({ onStartOver }: { onStartOver: () => void }) {
  const { entries, busy, send, stop } = useChat();
  return (
    <div className="page">
      <header>
        <h1>Chat</h1>
        <button type="button" onClick={onStartOver}>
          New chat
        </button>
      </header>
      <main>
        <div className="log" role="log" aria-label="Conversation" aria-live="off" tabIndex={0}>
          <ol>
            {entries.map((entry) => (
              <li key={entry.id}>
                <LogEntry entry={entry} />
              </li>
            ))}
          </ol>
        </div>
        <p role="status" className="status">
          {busy ? "The assistant is answering …" : entries.length > 0 ? "Ready" : "Ask something."}
        </p>
        <Composer busy={busy} onSend={send} onStop={stop} />
      </main>
      <Files />
    </div>
  );
}

function LogEntry({ entry }: { entry: Entry }) {
  if (entry.kind === "notice") return <p role="alert">{entry.text}</p>;
  if (entry.kind === "call") {
    return (
      <details className="call">
        <summary>
          <code>{entry.name}</code> {entry.output === null ? "called" : "answered"}
        </summary>
        <pre>{entry.given}</pre>
        {entry.output !== null && <pre>{entry.output}</pre>}
      </details>
    );
  }
  const mine = entry.from === "user";
  return (
    <article className={entry.from} aria-label={mine ? "You" : "Assistant"} dir="auto">
      {mine ? entry.text : <Markdown>{entry.text}</Markdown>}
      {entry.images.map((address) => (
        <img key={address} src={address} alt="Made by the assistant" />
      ))}
    </article>
  );
}

interface ComposerProps {
  busy: boolean;
  onSend: (content: string) => Promise<boolean>;
  onStop: () => void;
}

/** The input stays open while an answer comes: a message that is sent then takes the place of the run. */
function Composer({ busy, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState("");

  async function submit(event?: FormEvent) {
    event?.preventDefault();
    const content = text.trim();
    if (!content) return;
    setText("");
    const taken = await onSend(content);
    if (!taken) setText((typed) => typed || content); // nothing was stored: it can be sent again
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void submit();
  }

  return (
    <form className="composer" onSubmit={submit}>
      <textarea
        aria-label="Message"
        placeholder="Write a message"
        rows={2}
        dir="auto"
        autoFocus
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {busy && (
        <button type="button" onClick={onStop}>
          Stop
        </button>
      )}
      <button className="primary">Send</button>
    </form>
  );
}
