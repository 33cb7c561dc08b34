// A browser with the first page in it, and what a person does and sees there.

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

export class FirstPage {
  static async open(t, browser, url, { viewport = { width: 1200, height: 800 }, colorScheme = "light", mayLoseConnection = false } = {}) {
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
    const first = new FirstPage(page);
    await first.sees("#connection", "Connected");
    return first;
  }

  constructor(page) {
    this.page = page;
  }

  /** Waits until the element shows the text (white space counts as one space). */
  async sees(selector, text) {
    try {
      await this.page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: DEADLINE });
    } catch {
      const shown = await this.page.locator(selector).allInnerTexts();
      assert.fail(`${selector} does not show ${text} but: ${shown.join(" | ").slice(-2000)}`);
    }
  }

  seesOutput(text) {
    return this.sees("#output", text);
  }

  /** How the program goes or ended, in the page's words. */
  seesState(text) {
    return this.sees("#state", text);
  }

  /** What has been shown of one kind: stdout, stderr or typed. */
  async shown(kind) {
    // The words that only a screen reader reads out are not the program's.
    const texts = await this.page.locator(`#output .${kind}`).evaluateAll((spans) =>
      spans.map((span) => [...span.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join("")));
    return texts.join("");
  }

  choose(mode) {
    return this.page.getByRole("radio", { name: mode, exact: true }).check();
  }

  /** Replaces the program as pasting does. */
  async paste(code) {
    const editor = this.page.getByLabel("Your program");
    await editor.focus();
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.insertText(code);
    assert.equal(await editor.inputValue(), code);
  }

  press(button) {
    return this.page.getByRole("button", { name: button, exact: true }).click();
  }

  /** Types a line for the program. */
  async answer(line) {
    const input = this.page.locator("#input");
    await input.fill(line);
    await input.press("Enter");
  }

  async fitsItsWidth() {
    const { wide, room } = await this.page.locator("html").evaluate((html) => ({ wide: html.scrollWidth, room: html.clientWidth }));
    assert.ok(wide <= room, `the page is ${wide} px wide in a window of ${room} px`);
  }

  /** The newest output is in view, and no scrolling of the page itself is needed for that. */
  async showsTheEnd() {
    const { hidden, tall, room } = await this.page.locator("#output").evaluate((output) => ({
      hidden: output.scrollHeight - output.scrollTop - output.clientHeight,
      tall: document.documentElement.scrollHeight,
      room: document.documentElement.clientHeight,
    }));
    assert.ok(hidden < 2, `${hidden} px of the output are below what is shown`);
    assert.ok(tall <= room, `the page is ${tall} px high in a window of ${room} px`);
  }

  screenshot(name) {
    mkdirSync(OUTPUT, { recursive: true });
    return this.page.screenshot({ path: join(OUTPUT, `${name}.png`) });
  }
}
