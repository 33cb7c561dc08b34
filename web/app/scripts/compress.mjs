// Puts compressed forms beside the page's files, once and as small as they get: the server embeds
// them and compresses nothing.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
/** What has not been compressed already: fonts and pictures have. */
const KINDS = new Set([".css", ".html", ".js", ".json", ".md", ".svg", ".txt", ".wasm", ".webmanifest"]);
const FORMS = [".br", ".gz"];

/** @param {Buffer} content */
function brotli(content) {
  return brotliCompressSync(content, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
    },
  });
}

/** @param {string} file */
function compress(file) {
  const content = readFileSync(file);
  const gzip = gzipSync(content, { level: constants.Z_BEST_COMPRESSION });
  const small = brotli(content);
  // Of a small file a form may be larger than the file. The server makes the file from the gzip
  // form, so both are there or none.
  if (Math.max(gzip.length, small.length) >= content.length) return;
  writeFileSync(`${file}.gz`, gzip);
  writeFileSync(`${file}.br`, small);
}

/** @param {string} folder */
function collect(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) collect(path);
    // Those of the last time are made anew, or are of a file that is gone.
    else if (FORMS.includes(extname(path))) rmSync(path);
    else if (KINDS.has(extname(path))) files.push(path);
  }
}

/** @type {string[]} */
const files = [];
collect(DIST);
files.forEach(compress);
