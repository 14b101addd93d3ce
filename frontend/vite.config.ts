/** Builds the dashboard into the Python package, and serves it in development. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const api = process.env.OUTCRY_API ?? "http://127.0.0.1:8000";
const hub = process.env.OUTCRY_HUB ?? "ws://127.0.0.1:8001";

export default defineConfig({
  base: "/",
  resolve: { alias: { "@openoutcry/client": here("../clients/typescript/src/index.ts") } },
  build: {
    outDir: here("../src/openoutcry/web/static"),
    emptyOutDir: true,
    target: "es2022",
  },
  server: {
    fs: { allow: [here("."), here("../clients/typescript")] },
    proxy: {
      "/api/v1/ws": { target: hub, ws: true },
      "/api": api,
      "/candles": api,
      "/health": api,
    },
  },
});
