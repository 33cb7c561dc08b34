// A browser with the page in it.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const HERE = new URL(".", import.meta.url).pathname;
const OUTPUT = join(HERE, "output");

/** Milliseconds that anything may take to be seen; most take a hundredth of that. */
export const DEADLINE = 20_000;

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      // Chromium asks for updates and the like at every start; where there is no network, that fails noisily.
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Its sandbox does not work for root.
      ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    ],
  });
}

/** What a page that works never writes to the console. A test that breaks the connection allows for it. */
const BROKEN_CONNECTION = /ERR_CONNECTION_REFUSED|WebSocket connection to .* failed|Connection closed|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/;

/** A page at `url` in a window of its own. When the test ends, its console has to be empty. */
export async function open(t, browser, url, { viewport = { width: 1200, height: 800 }, colorScheme = "light", mayLoseConnection = false } = {}) {
  const context = await browser.newContext({ viewport, colorScheme });
  context.setDefaultTimeout(DEADLINE);
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    if (mayLoseConnection && BROKEN_CONNECTION.test(message.text())) return;
    complaints.push(`${message.text()} (${message.location().url})`);
  });
  // Violations of the content security policy are told to the page, and only some of them to the console.
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) =>
    console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI}`)));
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, [], "the console stays empty");
  });
  await page.goto(url);
  return page;
}

/** What is seen at the moment, for people to look at. */
export function screenshot(page, name) {
  mkdirSync(OUTPUT, { recursive: true });
  return page.screenshot({ path: join(OUTPUT, `${name}.png`) });
}
