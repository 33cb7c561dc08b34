// A browser with pages in it, as people have them, and tests that say what was seen when they fail.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chromium } from "playwright-core";

const TESTS_DIR = new URL(".", import.meta.url).pathname;
const OUTPUT_DIR = join(TESTS_DIR, "output");

/** Milliseconds that anything may take to be seen; most take a hundredth of that. */
export const ACTION_TIMEOUT_MS = 20_000;
/** Milliseconds for a test as a whole. */
const TEST_TIMEOUT_MS = 90_000;

export const DESKTOP_VIEWPORT = { width: 1280, height: 800 };
export const WIDE_VIEWPORT = { width: 1920, height: 1080 };
/** A small phone, and a usual one. */
export const SMALL_PHONE_VIEWPORT = { width: 360, height: 640 };
export const PHONE_VIEWPORT = { width: 390, height: 844 };

/**
 * Without a graphics processor: terminals then draw with elements of the page, where tests find
 * their text.
 */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      // Chromium asks for updates and the like at every start; where there is no network, that
      // fails noisily.
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      // Its sandbox does not work for root.
      ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
    ],
  });
}

/**
 * What a page that works never writes to the console. A test that breaks the connection allows for
 * it.
 */
const BROKEN_CONNECTION =
  /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_NETWORK_IO_SUSPENDED|ERR_INTERNET_DISCONNECTED|WebSocket connection to .* failed|Connection closed/;

const TOUCH_OPTIONS = { hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

/** What pages of one test have done that no page may do. */
class Watch {
  complaints = [];

  constructor(url, allowed) {
    // A test may begin with an empty page.
    this.host = new URL(url).host || null;
    this.allowed = allowed;
  }

  add(text) {
    if (!this.allowed.some((pattern) => pattern.test(text))) this.complaints.push(text);
  }

  async follow(page) {
    page.on("pageerror", (error) => this.add(`error: ${error.stack ?? error}`));
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      this.add(`${message.type()}: ${message.text()} (${message.location().url})`);
    });
    const asked = (url) => {
      const { host, protocol } = new URL(url);
      if (/^(https?|wss?):$/.test(protocol) && host !== (this.host ??= host)) this.add(`asked another host: ${url}`);
    };
    page.on("request", (request) => asked(request.url()));
    page.on("websocket", (socket) => asked(socket.url()));
    // Violations of the content security policy are told to the page, and only some of them to the
    // console.
    await page.addInitScript(() =>
      addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile ?? ""}`),
      ),
    );
  }
}

/**
 * A page at `url` in a window (a context) of its own, or in `context`. It is told what the page
 * does wrong by `watch`.
 */
async function openWatched(browser, url, options, contexts) {
  const { touch = false, mayLoseConnection = false, allowed = [], context: shared, ...rest } = options;
  const context =
    shared ?? (await browser.newContext({ viewport: DESKTOP_VIEWPORT, locale: "en-GB", ...(touch ? TOUCH_OPTIONS : {}), ...rest }));
  if (shared === undefined) contexts.push(context);
  context.setDefaultTimeout(ACTION_TIMEOUT_MS);
  const page = await context.newPage();
  const watch = new Watch(url, [...allowed, ...(mayLoseConnection ? [BROKEN_CONNECTION] : [])]);
  await watch.follow(page);
  await page.goto(url);
  return { page, watch };
}

/**
 * A page at `url` in a window of its own. When the test ends, it must not have done anything that
 * no page may.
 */
export async function open(t, browser, url, options = {}) {
  const contexts = [];
  const { page, watch } = await openWatched(browser, url, options, contexts);
  t.after(async () => {
    for (const context of contexts) await context.close();
    assert.deepEqual(watch.complaints, [], "the console stays empty");
  });
  return page;
}

/**
 * A test with pages. `body` gets `open(url, options)`, as above, and `later(action)` for what is to
 * be done when the pages are gone. When it fails, it says what all pages show; at its end, none of
 * them may have complained, broken the policy or asked another host. `browser` is a function, as
 * the browser comes later than the test is made.
 */
export function pageTest(name, browser, body) {
  test(name, { timeout: TEST_TIMEOUT_MS }, async () => {
    const contexts = [];
    const opened = [];
    const actions = [];
    const openHere = async (url, options = {}) => {
      const one = await openWatched(browser(), url, options, contexts);
      opened.push(one);
      return one.page;
    };
    try {
      await body({ open: openHere, later: (action) => actions.unshift(action) });
    } catch (error) {
      for (const [index, { page, watch }] of opened.entries()) {
        const shown = await whatIsShown(page, `failed-${name}-${index + 1}`);
        console.error(`--- page ${index + 1} of “${name}”: ${page.url()}\n${shown}\n${watch.complaints.join("\n")}\n---`);
      }
      throw error;
    } finally {
      for (const context of contexts) await context.close();
      for (const action of actions) await action();
    }
    for (const { watch } of opened) assert.deepEqual(watch.complaints, [], "a page has complained");
  });
}

/** What a page shows, as somebody hears it who does not see it. */
async function whatIsShown(page, name) {
  try {
    await screenshot(page, name.replace(/[^\w]+/g, "-").slice(0, 80));
    return await page.locator("body").ariaSnapshot({ timeout: 2000 });
  } catch (error) {
    return `(it cannot be asked: ${error.message})`;
  }
}

/** What is seen at the moment, for people to look at. */
export function screenshot(page, name) {
  mkdirSync(OUTPUT_DIR, { recursive: true });
  return page.screenshot({ path: join(OUTPUT_DIR, `${name}.png`), animations: "disabled" });
}

/** The same in light and in dark. The page is left as it is with `colorScheme`. */
export async function pictures(page, name) {
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    await screenshot(page, `${name}-${colorScheme}`);
  }
}
