// The whole way on a phone, by touch: one part of the page at a time, nothing wider than the
// screen, and keys that its keyboard lacks.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, pageTest, pictures, screenshot } from "./browser.mjs";
import { Page, Terminal, until } from "./page.mjs";
import { Server } from "./server.mjs";

const PORTRAIT_VIEWPORT = { width: 360, height: 740 };
const LANDSCAPE_VIEWPORT = { width: 740, height: 360 };
const PROMPT_PATTERN = /[$#] ?$/;
/** Pixels that a finger needs, by WCAG 2.5.8; what is pressed most has more. */
const TOUCH_TARGET_MIN_PX = 24;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Somebody with a phone, at a device with these files. */
function phone(name, files, body, options = {}) {
  pageTest(name, () => browser, async ({ open, later }) => {
    const server = await Server.start({ files });
    later(() => server.stop());
    const page = await open(server.url, { touch: true, viewport: PORTRAIT_VIEWPORT, ...options });
    const app = await new Page(page).ready();
    /** Goes to another part of the page. */
    const go = (part) => page.getByRole("navigation").getByRole("button", { name: part, exact: true }).tap();
    await body({ app, page, server, go });
  });
}

/**
 * Nothing is wider than the screen, and nothing to press is smaller than a finger or out of reach
 * at its sides.
 */
async function fits(page, state) {
  // Phones make their window as wide as what is in it, so its own words do not count.
  const { width, height } = page.viewportSize();
  const wrong = await page.evaluate(([finger, width, height]) => {
    const wrong = [];
    if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
    if (document.documentElement.scrollHeight > height) wrong.push(`the page is ${document.documentElement.scrollHeight} pixels high`);
    const scrolls = (element) => {
      for (let at = element.parentElement; at !== null; at = at.parentElement) {
        if (/auto|scroll|hidden/.test(getComputedStyle(at).overflowX) && at.scrollWidth > at.clientWidth) return true;
      }
      return false;
    };
    for (const element of document.querySelectorAll("button, [role=tab], [role=treeitem], input, select")) {
      const box = element.getBoundingClientRect();
      if (box.width === 0 || !element.checkVisibility({ checkVisibilityCSS: true })) continue;
      const name = element.getAttribute("aria-label") ?? element.textContent.slice(0, 30);
      if (!scrolls(element) && (box.left < -1 || box.right > width + 1)) wrong.push(`“${name}” reaches from ${box.left} to ${box.right}`);
      if (element.matches("button") && (box.width < finger || box.height < finger)) wrong.push(`“${name}” is ${box.width} × ${box.height}`);
    }
    return wrong;
  }, [TOUCH_TARGET_MIN_PX, width, height]);
  assert.deepEqual(wrong, [], state);
}

phone("program is written, run and answered by touch", {}, async ({ app, page, server, go }) => {
  await fits(page, "first visit");
  await pictures(page, "phone-first-visit");
  await app.program.getByRole("button", { name: "New program" }).tap();
  const editor = app.editor("main.py");
  await editor.tap();
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText("\nprint('by touch')\n");
  await fits(page, "editor");
  await pictures(page, "phone-editor");
  await accessible(page, "the editor on a phone");
  await app.runButton.tap();
  // The page goes to the output by itself.
  await app.shows("main.py", "What is your name?");
  await app.input("main.py").tap();
  await page.keyboard.type("Ada");
  await fits(page, "asked");
  await pictures(page, "phone-asking");
  await page.keyboard.press("Enter");
  await app.shows("main.py", "Hello, Ada!");
  await app.is(/^Finished/);
  await app.shows("main.py", "by touch");
  await fits(page, "output");
  await accessible(page, "output on a phone");

  await go("Files");
  await app.row("main.py").waitFor();
  assert.match(server.read("main.py"), /by touch/);
  await app.files.getByRole("button", { name: "New file" }).tap();
  await page.keyboard.type("second.py");
  await page.keyboard.press("Enter");
  await app.editor("second.py").waitFor();
  await go("Files");
  await fits(page, "files");
  await pictures(page, "phone-files");
  await accessible(page, "files on a phone");
  await app.files.getByRole("button", { name: "What to do with second.py" }).tap();
  await fits(page, "a menu");
  await screenshot(page, "phone-menu");
  await page.getByRole("menuitem", { name: "Delete" }).tap();
  await app.dialog.getByRole("button", { name: "Delete" }).waitFor();
  await fits(page, "a question");
  await screenshot(page, "phone-question");
  await app.dialog.getByRole("button", { name: "Delete" }).tap();
  await app.row("second.py").waitFor({ state: "detached" });
  assert.equal(server.has("second.py"), false);

  await app.banner.getByRole("button", { name: "Settings" }).tap();
  await app.dialog.waitFor();
  await fits(page, "settings");
  await screenshot(page, "phone-settings");
});

phone("error leads to its line by touch", { "broken.py": "a = 1\nprint(b)\n" }, async ({ app, page, go }) => {
  await go("Files");
  await app.row("broken.py").tap();
  await app.editor("broken.py").waitFor();
  await app.runButton.tap();
  await app.is("Ended with status 1: an error");
  await fits(page, "a traceback");
  await pictures(page, "phone-traceback");
  await app.console("broken.py").getByRole("link", { name: /line 2/ }).tap();
  await app.editor("broken.py").waitFor();
  await app.program.locator(".cm-activeLine", { hasText: "print(b)" }).waitFor();
});

phone("shell on a phone offers the keys that the phone lacks", {}, async ({ app, page, go }) => {
  await go("Output");
  await app.output.getByRole("button", { name: "New shell" }).tap();
  const terminal = await new Terminal(page, app.panel).ready();
  await terminal.shows(PROMPT_PATTERN);
  const keys = app.panel.getByRole("group", { name: "Keys for the terminal" });
  const key = (name) => keys.getByRole("button", { name, exact: true });
  await app.panel.locator(".xterm-screen").tap();
  await terminal.line("echo one");
  await terminal.shows(/^one$/);
  await fits(page, "a shell");
  await accessible(page, "a shell on a phone");
  await pictures(page, "phone-shell");
  // What was typed before, by the arrow key.
  await key("Arrow up").tap();
  await terminal.shows(/[$#] echo one$/);
  await page.keyboard.type(" two");
  await page.keyboard.press("Enter");
  await terminal.shows(/^one two$/);
  await terminal.type("ech");
  await key("Tab").tap();
  await terminal.type("thr");
  await key("-").tap();
  await key("|").tap();
  await terminal.shows(/[$#] echo ?thr-\|$/);
  // Ctrl counts for the next key, and only for that.
  await key("Ctrl, for the next key").tap();
  assert.equal(await key("Ctrl, for the next key").getAttribute("aria-pressed"), "true");
  await screenshot(page, "phone-shell-ctrl");
  await page.keyboard.type("c");
  await terminal.shows(/\^C/);
  assert.equal(await key("Ctrl, for the next key").getAttribute("aria-pressed"), "false");
  await terminal.line("sh -c 'echo sleeping; exec sleep 1000'");
  await terminal.shows(/^sleeping$/);
  await key("Ctrl, for the next key").tap();
  await page.keyboard.type("c");
  await terminal.line("echo status-$?");
  await terminal.shows(/^status-130$/);
  await page.setViewportSize(LANDSCAPE_VIEWPORT);
  await until(page, "the terminal is as wide as the screen", () => document.querySelector(".xterm-screen").getBoundingClientRect().width > 500);
  await fits(page, "a shell, lying");
  await pictures(page, "phone-shell-lying");
  const rows = (await terminal.lines()).length;
  assert.ok(rows >= 3, `${rows} lines can be seen`);
});

phone("landscape phone leads from program to output", { "ask.py": "print('Hello,', input('Name? '))\n" }, async ({ app, page, go }) => {
  await go("Files");
  await fits(page, "files, lying");
  await app.row("ask.py").tap();
  await app.editor("ask.py").waitFor();
  await fits(page, "editor, lying");
  await pictures(page, "phone-lying-editor");
  await app.runButton.tap();
  await app.input("ask.py").tap();
  await page.keyboard.type("Ada");
  await fits(page, "asked, lying");
  await pictures(page, "phone-lying-asking");
  await page.keyboard.press("Enter");
  await app.shows("ask.py", "Hello, Ada");
  await accessible(page, "lying");
}, { viewport: LANDSCAPE_VIEWPORT });

phone("German words fit on a phone", { "status.py": "import sys\nsys.exit(3)\n" }, async ({ page }) => {
  const part = (name) => page.getByRole("navigation", { name: "Teile der Seite" }).getByRole("button", { name, exact: true });
  await fits(page, "first visit in German");
  await pictures(page, "phone-german");
  await part("Dateien").tap();
  await fits(page, "files in German");
  await page.getByRole("treeitem", { name: "status.py", exact: true }).tap();
  await page.getByRole("textbox", { name: "Text von status.py" }).waitFor();
  await page.getByRole("banner").getByRole("button", { name: "Starten", exact: true }).tap();
  await page.getByText("Endete mit Status 3: ein Fehler").first().waitFor();
  await fits(page, "output in German");
  await accessible(page, "output in German, on a phone");
  await pictures(page, "phone-german-output");
  await page.getByRole("button", { name: "Einstellungen" }).tap();
  await page.getByRole("dialog", { name: "Einstellungen" }).waitFor();
  await fits(page, "settings in German");
  await screenshot(page, "phone-german-settings");
}, { locale: "de-DE" });
