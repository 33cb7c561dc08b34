// The pages for those who write a page of their own: what they show works.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, pageTest, pictures, SMALL_PHONE_VIEWPORT } from "./browser.mjs";
import { Server } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start({ files: { "here.txt": "I am here\n" } })]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Somebody at one of the pages. */
function at(name, path, body, options = {}) {
  pageTest(name, () => browser, async ({ open }) => {
    await body(await open(`${server.url}/examples/${path}`, options));
  });
}

// Phones make their window as wide as what is in it, so its own words do not count.
const narrow = async (page) =>
  (await page.evaluate(() => document.documentElement.scrollWidth)) <= page.viewportSize().width;

at("examples link to each other and back", "", async (page) => {
  await accessible(page, "the examples");
  await pictures(page, "examples");
  const links = await page.getByRole("link").evaluateAll((links) => links.map(({ href }) => href));
  for (const link of links) assert.equal((await fetch(link)).status, 200, link);
  for (const name of [/command in/, /talks to/]) {
    await page.getByRole("link", { name }).first().click();
    await page.getByRole("link", { name: "All examples" }).click();
    await page.getByRole("heading", { name: "Examples of pages that talk to this server" }).waitFor();
  }
  await page.getByRole("link", { name: "The page for people" }).click();
  await page.getByRole("contentinfo").getByText("Connected", { exact: true }).waitFor();
});

at("example runs a command and shows its output", "minimal.html", async (page) => {
  const command = page.getByRole("textbox", { name: "Command" });
  const output = page.getByRole("status", { name: "Output" });
  const send = async (text) => {
    await command.fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  };
  await send("echo größe '<b>bold</b>'");
  await output.filter({ hasText: "größe <b>bold</b>" }).waitFor();
  assert.equal(await output.locator("b").count(), 0, "it stays text");
  await command.fill("cat here.txt");
  await command.press("Enter");
  await output.filter({ hasText: "I am here" }).waitFor();
  await send("nosuchprogram");
  await output.filter({ hasText: "error: nosuchprogram is not installed on this device." }).waitFor();
  await accessible(page, "a command in");
  await pictures(page, "minimal");
  assert.equal(await narrow(page), true);
});

at("example keeps the state of its Python interpreter", "minimal.html?mode=python", async (page) => {
  const command = page.getByRole("textbox", { name: "Command" });
  const output = page.getByRole("status", { name: "Output" });
  const send = async (text) => {
    await command.fill(text);
    await command.press("Enter");
  };
  await send("number = 6 * 7");
  await send("print('it is', number)");
  await output.filter({ hasText: "it is 42" }).waitFor();
  await send("1 / 0");
  await output.filter({ hasText: "ZeroDivisionError" }).waitFor();
  await send("number");
  await output.filter({ hasText: /42\s*$/ }).waitFor();
});

at("example says that its connection has ended", "minimal.html", async (page) => {
  const own = await Server.start();
  try {
    await page.goto(`${own.url}/examples/minimal.html`);
    await page.getByRole("textbox", { name: "Command" }).fill("echo there");
    await page.keyboard.press("Enter");
    await page.getByRole("status", { name: "Output" }).filter({ hasText: "there" }).waitFor();
  } finally {
    await own.stop();
  }
  await page.getByText("The connection is closed. Load the page again for a new one.").waitFor();
}, { allowed: [/asked another host/] });

at("example starts, answers and stops a program", "library.html", async (page) => {
  const output = page.getByLabel("Output");
  const state = page.getByRole("status");
  const program = page.getByRole("textbox", { name: "Program" });
  const run = page.getByRole("button", { name: "Run" });
  const stop = page.getByRole("button", { name: "Stop" });
  await accessible(page, "the library's example");
  await run.click();
  await output.filter({ hasText: "Who is there?" }).waitFor();
  await page.getByRole("textbox", { name: "Input" }).fill("Ada");
  await page.keyboard.press("Enter");
  await output.filter({ hasText: "Hello, Ada!" }).waitFor();
  await state.filter({ hasText: "ended with status 0" }).waitFor();
  assert.equal(await stop.isDisabled(), true);
  await pictures(page, "library");

  await program.fill("import time\nprint('for ever', flush=True)\ntime.sleep(1000)");
  await run.click();
  await output.filter({ hasText: "for ever" }).waitFor();
  await stop.click();
  await state.filter({ hasText: /^ended with status/ }).waitFor();
  await program.fill("raise SystemExit(3)");
  await run.click();
  await state.filter({ hasText: "ended with status 3" }).waitFor();
});

at("examples fit on a phone", "library.html", async (page) => {
  assert.equal(await narrow(page), true);
  await pictures(page, "library-phone");
  for (const path of ["./", "minimal.html"]) {
    await page.goto(new URL(path, page.url()).href);
    assert.equal(await narrow(page), true, path);
    await accessible(page, `${path} on a phone`);
  }
}, { touch: true, viewport: SMALL_PHONE_VIEWPORT });
