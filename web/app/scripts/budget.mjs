// What a browser loads before the page can be used, compressed, must not become more than it may be. Fails otherwise.
// What is loaded later (terminals, plots, windows, rare languages) has a limit of its own, for devices with little storage.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const DIST = new URL("../../dist/", import.meta.url).pathname;

/** Bytes. Gzip, as brotli is for https only. */
const FIRST_LOAD = 350_000;
const TERMINAL_PAGE = 350_000;
const EVERYTHING = 1_500_000;

const size = (path) => statSync(existsSync(`${path}.gz`) ? `${path}.gz` : path).size;

/** A page, and what its HTML names: scripts, their static imports (as preloads) and styles. */
function firstLoad(page) {
  const html = readFileSync(join(DIST, page), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => match[1]);
  const rows = [page, ...new Set(named)].map((name) => [name, size(join(DIST, name))]);
  return { rows, total: rows.reduce((sum, [, bytes]) => sum + bytes, 0) };
}

let failed = false;
function check(what, total, limit) {
  const fits = total <= limit;
  failed ||= !fits;
  console.log(`${fits ? "ok  " : "OVER"} ${what}: ${(total / 1000).toFixed(1)} kB of ${limit / 1000} kB`);
}

for (const [page, limit] of [
  ["index.html", FIRST_LOAD],
  ["terminal.html", TERMINAL_PAGE],
]) {
  if (!existsSync(join(DIST, page))) continue;
  const { rows, total } = firstLoad(page);
  for (const [name, bytes] of rows) console.log(`     ${(bytes / 1000).toFixed(1).padStart(7)} kB  ${name}`);
  check(`first load of ${page}`, total, limit);
}

let all = 0;
const folders = [DIST];
for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) folders.push(path);
    else if (!/\.(gz|br)$/.test(entry.name)) all += size(path);
  }
}
check("everything", all, EVERYTHING);
process.exit(failed ? 1 : 0);
