// The page on a phone: one part at a time, fingers instead of keys.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, PHONE_VIEWPORT, pageTest, pictures, SMALL_PHONE_VIEWPORT } from "./browser.mjs";
import { Page, Terminal, until } from "./page.mjs";
import { program, Server } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([
    launch(),
    Server.start({ files: { "first.py": program("examples/first.py"), "keys.py": program("examples/keys.py") } }),
  ]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

function phone(name, body, options = {}) {
  pageTest(name, () => browser, async ({ open }) => {
    const page = await open(server.url, { viewport: PHONE_VIEWPORT, touch: true, ...options });
    const app = await new Page(page).ready();
    const part = (name) => page.getByRole("navigation", { name: "Parts of the page" }).getByRole("button", { name }).tap();
    await body({ app, page, part });
  });
}

/**
 * Nothing is cut off at the side, and what is pressed is large enough for a finger (WCAG 2.2,
 * 2.5.8).
 */
async function fits(page, state) {
  // The window of a mobile page grows with its content; the phone does not.
  const found = await page.evaluate((room) => {
    const wide = document.documentElement.scrollWidth > room ? [`the page is ${document.documentElement.scrollWidth} px wide`] : [];
    const small = [...document.querySelectorAll("button, input, select, a[href], summary")]
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ element, box }) => box.width > 0 && box.height > 0 && element.checkVisibility({ visibilityProperty: true }))
      // Those for screen readers only are a pixel large.
      .filter(({ box }) => box.width > 1.5 && box.height > 1.5)
      .filter(({ box }) => Math.min(box.width, box.height) < 24)
      .map(({ element, box }) => `${element.outerHTML.slice(0, 120)}: ${Math.round(box.width)} × ${Math.round(box.height)}`);
    const outside = [...document.querySelectorAll("button, input:not([hidden]), select")]
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ element, box }) => box.width > 1.5 && element.checkVisibility() && element.closest(".tabs, .terminal-touch, .terminal-tools, .xterm") === null)
      .filter(({ box }) => box.right > room + 1 || box.left < -1)
      .map(({ element }) => `outside: ${element.outerHTML.slice(0, 120)}`);
    return [...wide, ...small, ...outside];
  }, page.viewportSize().width);
  assert.deepEqual(found, [], state);
}

for (const [size, viewport] of [["a usual phone", PHONE_VIEWPORT], ["a small phone", SMALL_PHONE_VIEWPORT]]) {
  phone(`file is opened, run and answered on ${size}`, async ({ app, page, part }) => {
    const name = size.replaceAll(" ", "-");
    await part("Files");
    await fits(page, "files");
    await accessible(page, `files on ${size}`);
    await pictures(page, `${name}-files`);
    await app.row("first.py").tap();
    // The program comes to the front by itself.
    await app.editor("first.py").waitFor();
    await fits(page, "program");
    await pictures(page, `${name}-program`);
    await app.runButton.tap();
    await app.shows("first.py", "What is your name?");
    assert.equal(await app.input("first.py").evaluate((input) => input === document.activeElement), false, "no keyboard comes up unasked");
    await app.input("first.py").tap();
    await page.keyboard.type("Ada");
    await fits(page, "output");
    await accessible(page, `output on ${size}`);
    await pictures(page, `${name}-output`);
    await page.keyboard.press("Enter");
    await app.shows("first.py", "Lift-off!");
    await app.is(/^Finished/);
    await app.banner.getByRole("button", { name: "Settings" }).tap();
    await app.dialog.waitFor();
    await fits(page, "settings");
    await pictures(page, `${name}-settings`);
  }, { viewport });
}

phone("shell offers the keys that a phone lacks", async ({ app, page, part }) => {
  await part("Output");
  await app.output.getByRole("button", { name: "New shell" }).tap();
  const terminal = await new Terminal(page, app.panel).ready();
  await terminal.shows(/[$#] ?$/);
  await terminal.screen.tap({ force: true });
  await terminal.type("echo from-a-phone");
  await terminal.type("", "Enter");
  await terminal.shows(/^from-a-phone$/);
  const keys = app.panel.getByRole("group", { name: "Keys for the terminal" });
  await keys.getByRole("button", { name: "Arrow up" }).tap();
  await terminal.shows(/echo from-a-phone$/);
  await keys.getByRole("button", { name: "Ctrl, for the next key" }).tap();
  await terminal.type("c");
  await terminal.shows(/\^C$/);
  await accessible(page, "a shell on a phone");
  await fits(page, "shell");
  await pictures(page, "phone-shell");
});

phone("two fingers hold two keys of a program", async ({ app, page, part }) => {
  await part("Files");
  await app.row("keys.py").tap();
  await app.editor("keys.py").waitFor();
  await app.runButton.tap();
  const keys = app.panel.getByRole("region", { name: "Keys" });
  const centre = async (name) => {
    const box = await keys.getByRole("button", { name }).boundingBox();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  await keys.getByRole("button", { name: "Arrow right" }).scrollIntoViewIfNeeded();
  const up = await centre("Arrow up");
  const left = await centre("Arrow left");
  const touch = await page.context().newCDPSession(page);
  const send = (type, points) => touch.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  await send("touchStart", [{ ...up, id: 1 }]);
  await app.shows("keys.py", "motors: left +1.0, right +1.0");
  await send("touchStart", [{ ...up, id: 1 }, { ...left, id: 2 }]);
  await app.shows("keys.py", "motors: left -0.5, right +0.5");
  await pictures(page, "phone-keys");
  await accessible(page, "keys on a phone");
  await send("touchEnd", [{ ...up, id: 1 }]);
  await app.shows("keys.py", "motors: left +0.0, right +0.0");
  await send("touchEnd", []);
  await until(page, "both are let go", () =>
    (document.querySelector(".console")?.textContent.match(/left \+0\.0, right \+0\.0/g) ?? []).length === 2);
  await app.stopButton.tap();
  await app.is(/^Stopped/);
});

phone("page fits a phone turned on its side", async ({ page, part }) => {
  await page.setViewportSize({ width: PHONE_VIEWPORT.height, height: PHONE_VIEWPORT.width });
  await part("Output");
  await fits(page, "on its side");
  await pictures(page, "phone-landscape");
});
