import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

import { Chat } from "./chat";
import * as saved from "./saved";
import "./style.css";

function App() {
  const [chat, setChat] = useState(0);
  const startOver = () => {
    saved.forget();
    setChat(chat + 1); // a new key mounts a new conversation
  };
  return <Chat key={chat} onStartOver={startOver} />;
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
