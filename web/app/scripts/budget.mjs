// Fails if what the page needs before it can be used has become too large: over a slow network,
// people wait for that.

import { existsSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
/** Bytes, compressed with gzip. At 5 Mbit/s, 350 kB are half a second. */
const BUDGETS = { "/index.html": 350_000, "/terminal.html": 350_000 };
/** Where a look at what has grown is due. */
const WARN = 180_000;

/** @param {string} path */
function size(path, form = ".gz") {
  const file = DIST + path;
  return statSync(existsSync(file + form) ? file + form : file).size;
}

let failed = false;
for (const [page, budget] of Object.entries(BUDGETS)) {
  if (!existsSync(DIST + page)) {
    console.error(`budget: there is no ${page} in web/dist`);
    failed = true;
    continue;
  }
  // Vite names all that is imported statically: as a script, a style, or to be loaded ahead. What
  // `import()` brings comes later.
  const html = readFileSync(DIST + page, "utf8");
  const tags = html.match(/<(?:script|link)\b[^>]*>/g) ?? [];
  const files = tags
    .filter((tag) => tag.startsWith("<script") || /rel="(?:stylesheet|modulepreload)"/.test(tag))
    .map((tag) => /(?:src|href)="([^"]+)"/.exec(tag)?.[1])
    .filter((path) => path?.startsWith("/"));
  const all = [page, ...new Set(files)];
  const total = (/** @type {string} */ form) => all.reduce((sum, path) => sum + size(path, form), 0);
  const [gzip, brotli] = [total(".gz"), total(".br")];
  const kB = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  const text = `${page}: ${kB(gzip)} with gzip, ${kB(brotli)} with Brotli, in ${all.length} files`;
  if (gzip > budget) {
    console.error(`budget: ${text}, which is more than ${kB(budget)}`);
    for (const path of all) console.error(`  ${kB(size(path))} ${path}`);
    failed = true;
  } else {
    console.log(`${text}${gzip > WARN ? `; above ${kB(WARN)}, see what has grown` : ""}`);
  }
}
process.exitCode = failed ? 1 : 0;
