import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The blueprint lets pages on port 3000 of this machine in unless ASSISTANT_CORS_ORIGINS says otherwise.
const server = { host: "localhost", port: 3000, strictPort: true };

export default defineConfig({ base: "./", plugins: [react()], server, preview: server });
