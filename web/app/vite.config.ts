import { resolve } from "node:path";
import { defineConfig } from "vite";

const here = new URL(".", import.meta.url).pathname;
/** A running server, for `npm run dev`. */
const server = process.env.FURTHER_LINK_SERVER ?? "http://127.0.0.1:8028";

export default defineConfig({
  root: here,
  // The library's sources, so that the page and the library are built and checked together.
  resolve: { alias: { "further-link": resolve(here, "../client/src/index.ts") } },
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  // noVNC awaits at its top level, which the target for development does not know by itself.
  optimizeDeps: { esbuildOptions: { target: "es2022" } },
  build: {
    outDir: resolve(here, "../dist"),
    emptyOutDir: true,
    // Browsers of the last two and a half years: those that know light-dark().
    target: ["es2022", "chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    // Data URLs are not what the content security policy lets in, but for pictures.
    assetsInlineLimit: 0,
    rollupOptions: {
      input: { index: resolve(here, "index.html"), terminal: resolve(here, "terminal.html") },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ["/run", "/fs", "/device", "/runners", "/version", "/status", "/upload"].map((path) => [
        path,
        { target: server, ws: true },
      ]),
    ),
  },
});
