// The way of somebody who is here for the first time: write, run, answer, make a mistake, find it,
// mend it, run again.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { DESKTOP_VIEWPORT, launch, pageTest, pictures, screenshot, WIDE_VIEWPORT } from "./browser.mjs";
import { Page } from "./page.mjs";
import { Server } from "./server.mjs";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Each person gets an empty device. */
function visit(name, body, options = {}) {
  pageTest(name, () => browser, async ({ open, later }) => {
    const server = await Server.start();
    later(() => server.stop());
    const page = await open(server.url, options);
    await body(await new Page(page).ready(), { server, page, open });
  });
}

visit("first program is written, run, answered, broken and fixed", async (app, { server, page }) => {
  assert.equal(await app.runButton.isDisabled(), true, "there is nothing to run yet");
  await accessible(page, "first visit");
  await pictures(page, "first-visit");

  await app.program.getByRole("button", { name: "New program" }).click();
  await app.editor("main.py").waitFor();
  await app.run();
  await app.shows("main.py", "What is your name?");
  await app.is("Running");
  // The focus is where the answer goes.
  await app.keyboard.type("Ada");
  await pictures(page, "asking");
  await app.keyboard.press("Enter");
  await app.is(/^Finished after \d/);
  await app.shows("main.py", "Hello, Ada!");
  await app.shows("main.py", "Lift-off!");
  assert.equal(await app.input("main.py").count(), 0, "a program that is over asks nothing");

  await app.replaceText("main.py", "numbers = [1, 2]\nprint(numbers[2])\n");
  await app.keyboard.press("Control+Enter");
  await app.is("Ended with status 1: an error");
  await app.shows("main.py", "IndexError: list index out of range");
  await accessible(page, "a traceback");
  await pictures(page, "traceback");
  // It says where: that leads to the line.
  await app.console("main.py").getByRole("link", { name: /main\.py.*line 2/ }).click();
  await app.editor("main.py").waitFor();
  await app.keyboard.press("End");
  await app.keyboard.press("Backspace");
  await app.keyboard.press("Backspace");
  await app.keyboard.press("Backspace");
  await app.keyboard.type("1])");
  await app.keyboard.press("Control+Enter");
  await app.is(/^Finished/);
  await app.shows("main.py", "2");
  assert.equal(server.read("main.py"), "numbers = [1, 2]\nprint(numbers[1])\n", "what was run is on the device");
});

visit("autosave keeps typed text after a reload", async (app, { server, page }) => {
  await app.files.getByRole("button", { name: "New file" }).click();
  await app.keyboard.type("count.py");
  await app.keyboard.press("Enter");
  await app.editor("count.py").click();
  // Brackets close by themselves, and lines begin where the one before did.
  await app.keyboard.type("for number in range(2):\nprint(number)\n");
  await app.keyboard.press("Backspace");
  await app.keyboard.type("print('done')");
  const typed = "for number in range(2):\n    print(number)\nprint('done')";
  await app.fileTab("count.py").and(page.getByRole("tab", { name: "count.py", exact: true })).waitFor();
  assert.equal(server.read("count.py").trimEnd(), typed);
  await page.reload();
  await app.ready();
  await app.editor("count.py").filter({ hasText: "print('done')" }).waitFor();
  await app.run();
  await app.is(/^Finished/);
  await app.shows("count.py", "done");
});

visit("page works by keyboard alone", async (app, { page }) => {
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent);
  const tabTo = async (name) => {
    for (let presses = 0; presses < 40; presses += 1) {
      if ((await focused()) === name) return;
      await app.keyboard.press("Tab");
    }
    assert.fail(`Tab does not come to “${name}”, but to “${await focused()}”`);
  };
  await tabTo("New program");
  await app.keyboard.press("Enter");
  await app.editor("main.py").waitFor();
  await app.keyboard.press("Control+Enter");
  await app.shows("main.py", "What is your name?");
  await app.keyboard.type("Grace");
  await app.keyboard.press("Enter");
  await app.is(/^Finished/);
  // F6 goes around the parts of the page.
  const inside = async () => {
    for (const [name, part] of [["files", app.files], ["program", app.program], ["output", app.output]]) {
      if (await part.evaluate((element) => element.contains(document.activeElement))) return name;
    }
    return null;
  };
  const seen = new Set();
  for (let presses = 0; presses < 3; presses += 1) {
    const before = await inside();
    await app.keyboard.press("F6");
    await page.waitForFunction((part) => document.activeElement?.closest("section[aria-label]")?.id !== part, `area-${before}`);
    seen.add(await inside());
  }
  assert.deepEqual([...seen].sort(), ["files", "output", "program"]);
  await app.banner.getByRole("button", { name: "Settings" }).focus();
  await app.keyboard.press("Enter");
  await app.dialog.waitFor();
  await app.keyboard.press("Escape");
  await app.dialog.waitFor({ state: "detached" });
  assert.equal(await focused(), "Settings", "the focus is where it was before the dialog");
});

visit("settings change colours, text size and language", async (app, { page }) => {
  const settings = app.banner.getByRole("button", { name: "Settings" });
  await settings.click();
  await accessible(page, "settings");
  await pictures(page, "settings");
  await app.dialog.getByLabel("Colours").selectOption("dark");
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await app.dialog.getByLabel("Colours").selectOption("light");
  assert.notEqual(await background(), dark);
  await app.dialog.getByRole("button", { name: "Larger" }).click();
  await app.dialog.getByText("15 px").waitFor();
  await app.dialog.getByLabel("Language").selectOption({ label: "Deutsch" });
  await page.getByRole("dialog", { name: "Einstellungen" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "de");
  await pictures(page, "settings-german");
  await page.reload();
  await page.getByRole("button", { name: "Einstellungen" }).waitFor();
  await page.getByText("Verbunden", { exact: true }).waitFor();
  await screenshot(page, "german");
});

visit("page is in German for a German browser", async (app, { page }) => {
  await page.getByRole("button", { name: "Einstellungen" }).waitFor();
  await accessible(page, "in German");
}, { locale: "de-DE" });

visit("page fits a wide screen", async (app, { page }) => {
  await app.program.getByRole("button", { name: "New program" }).click();
  await app.editor("main.py").waitFor();
  await pictures(page, "wide");
  await page.setViewportSize({ width: 900, height: 700 });
  await pictures(page, "middling");
  await page.setViewportSize(DESKTOP_VIEWPORT);
  // Nothing is wider than the page.
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
}, { viewport: WIDE_VIEWPORT });
