import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// By default the blueprint allows pages on port 3000 of this machine (ASSISTANT_CORS_ORIGINS).
const server = { host: "localhost", port: 3000, strictPort: true };

export default defineConfig({ base: "./", plugins: [react()], server, preview: server });
