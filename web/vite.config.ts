import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// The server's content policy forbids inline code and foreign origins: everything is an asset of its own.
export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
  },
  server: { proxy: { "/api": process.env["IMAGE2MODEL_URL"] ?? "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.ts"] },
});
