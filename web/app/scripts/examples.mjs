// Puts the examples beside the page, as they are, with the client library as one file that a page
// can import.

import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

cpSync(web("examples"), web("dist/examples"), { recursive: true });
await build({
  entryPoints: [web("client/src/index.ts")],
  outfile: web("dist/examples/further-link.js"),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: false,
  legalComments: "none",
});
