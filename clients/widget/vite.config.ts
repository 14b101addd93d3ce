/** Builds the widget as one classic script into the Python package, with its demo page beside it. */

import { defineConfig } from "vite";

export default defineConfig({
  publicDir: "demo",
  build: {
    outDir: "../../src/openoutcry/web/widget",
    emptyOutDir: true,
    target: "es2020",
    // A classic script: a page of another origin may load it without CORS.
    lib: { entry: "src/index.ts", name: "OutcryTradeCount", formats: ["iife"], fileName: () => "trade-count.js" },
  },
});
