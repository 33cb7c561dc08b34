// Terminals: the shell, programs that take the whole screen, floods, and the page of the terminal
// server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { DESKTOP_VIEWPORT, launch, pageTest, pictures, screenshot, WIDE_VIEWPORT } from "./browser.mjs";
import { Page, Terminal, until } from "./page.mjs";
import { Server } from "./server.mjs";

const PROMPT_PATTERN = /[$#] ?$/;

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([
    launch(),
    Server.start({ files: { "broken.py": "print('before')\nraise SystemError('in line 2')\n" } }),
  ]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Somebody who has opened a shell. */
function shell(name, body, options = {}) {
  pageTest(name, () => browser, async ({ open }) => {
    // Wide enough for the lines of what is tested here.
    const page = await open(server.url, { viewport: WIDE_VIEWPORT, ...options });
    const app = await new Page(page).ready();
    const terminal = await app.shell();
    await terminal.shows(PROMPT_PATTERN);
    await body({ app, page, terminal });
  });
}

shell("shell runs commands until it ends", async ({ app, page, terminal }) => {
  // It has the focus: one can type at once.
  await terminal.line("pwd");
  await terminal.shows(/\/work$/);
  await terminal.line("printf '\\033[1;31mred\\033[0m %s\\n' héllo-→-漢字");
  await terminal.shows(/^red héllo-→-漢字$/);
  await accessible(page, "a shell");
  await pictures(page, "shell");
  await terminal.line("exit 3");
  await app.is("The shell has ended");
  await app.tool("Run again").click();
  await new Terminal(page, app.panel).shows(PROMPT_PATTERN);
});

shell("program knows the terminal's size after a resize", async ({ page, terminal }) => {
  let asked = 0;
  const size = async () => {
    asked += 1;
    await terminal.line(`echo "asked ${asked}: $(stty size)"`);
    const answer = new RegExp(`^asked ${asked}: (\\d+) (\\d+)$`);
    await terminal.shows(answer);
    return (await terminal.lines()).map((line) => answer.exec(line)).find((found) => found !== null).slice(1).map(Number);
  };
  const [rows, columns] = await size();
  assert.equal((await terminal.lines()).length, rows, "the rows that are drawn");
  await page.setViewportSize(DESKTOP_VIEWPORT);
  await until(page, "there are fewer rows", ([screen, rows]) => screen.children.length < rows, [await terminal.screen.elementHandle(), rows]);
  const [fewer, others] = await size();
  assert.ok(fewer < rows, `${fewer} rows of ${rows}`);
  assert.ok(others < columns, `${others} columns of ${columns}`);
  assert.equal((await terminal.lines()).length, fewer);
});

shell("vi writes a file", async ({ page, terminal }) => {
  await terminal.line("vi written.txt");
  await terminal.shows(/written\.txt/);
  await terminal.shows(/^~$/);
  await terminal.type("i");
  await terminal.type("first line");
  await terminal.type("", "Enter");
  await terminal.type("second line", "Escape");
  await terminal.type("kA, longer", "Escape");
  await terminal.shows(/^first line, longer$/);
  await pictures(page, "vi");
  await terminal.line(":wq");
  await terminal.shows(PROMPT_PATTERN);
  await terminal.line("cat written.txt");
  await terminal.shows(/^second line$/);
  assert.equal(server.read("written.txt"), "first line, longer\nsecond line\n");
});

shell("htop redraws its screen and takes keys", async ({ page, terminal }) => {
  await terminal.line("htop");
  await terminal.shows(/Mem\[/);
  await terminal.shows(/F10 ?Quit/);
  await pictures(page, "htop");
  await terminal.type("", "F2");
  await terminal.shows(/Setup/);
  await terminal.type("", "Escape");
  await terminal.shows(/F10 ?Quit/);
  await terminal.type("", "F10");
  await terminal.shows(PROMPT_PATTERN);
  assert.ok(!(await terminal.lines()).some((line) => /Mem\[/.test(line)), "the screen from before is back");
});

shell("Ctrl+C and Stop end a flood of output", async ({ app, terminal }) => {
  await terminal.line("yes 'a line that comes for ever'");
  await terminal.shows(/^a line that comes for ever$/);
  const pressed = Date.now();
  await terminal.type("", "Control+c");
  await terminal.shows(PROMPT_PATTERN);
  const took = Date.now() - pressed;
  console.log(`terminal: a flood has ended ${took} ms after Ctrl+C`);
  assert.ok(took < 2000, `it took ${took} ms`);
  await terminal.line("yes again");
  await terminal.shows(/^again$/);
  await app.tool("Stop").click();
  await app.is("The shell has ended");
});

shell("terminal text is searched, copied, pasted and saved", async ({ app, page, terminal }) => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await terminal.line("seq 1 500");
  await terminal.shows(/^500$/);
  await terminal.type("", "Control+Shift+F");
  const search = app.panel.getByRole("searchbox", { name: "Search the terminal" }).or(app.panel.getByLabel("Search the terminal"));
  await search.fill("123");
  await app.panel.getByText("1 of 1", { exact: true }).waitFor();
  await terminal.shows(/^123$/);
  await accessible(page, "searching a terminal");
  await screenshot(page, "terminal-search");
  await page.keyboard.press("Escape");

  await app.panel.getByRole("button", { name: "Show the text to select from" }).click();
  await app.dialog.waitFor();
  await accessible(page, "text to select from");
  await app.dialog.getByRole("button", { name: "Copy all" }).click();
  await until(page, "it is copied", async () => /^499\n500$/m.test(await navigator.clipboard.readText()));
  await app.dialog.getByRole("button", { name: "Close" }).click();

  await page.evaluate(() => navigator.clipboard.writeText("echo pasted-$((6*7))"));
  await app.panel.getByRole("button", { name: "Paste (Ctrl+Shift+V)" }).click();
  await terminal.shows(/echo pasted-\$\(\(6\*7\)\)$/);
  await terminal.input.press("Enter");
  await terminal.shows(/^pasted-42$/);

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    app.panel.getByRole("button", { name: "Save all output as a file" }).click(),
  ]);
  // As the program has put it out, with what it says to the terminal.
  const saved = readFileSync(await download.path(), "utf8");
  const numbers = Array.from({ length: 500 }, (_, index) => `${index + 1}\r\n`).join("");
  assert.ok(saved.includes(numbers), saved);
});

shell("error leads to its line", async ({ app, page, terminal }) => {
  await terminal.line("python3 broken.py");
  await terminal.shows(/SystemError: in line 2/);
  const row = terminal.screen.locator("> div", { hasText: /File ".*broken\.py", line 2/ }).first();
  const box = await row.boundingBox();
  await page.mouse.move(box.x + 60, box.y + box.height / 2, { steps: 3 });
  await page.mouse.click(box.x + 60, box.y + box.height / 2);
  await app.editor("broken.py").waitFor();
  await app.program.locator(".cm-activeLine", { hasText: "raise SystemError" }).waitFor();
});

shell("keyboard leaves a shell and moves along the tabs", async ({ app, page, terminal }) => {
  await terminal.line("first=1");
  const second = await app.shell();
  await second.shows(PROMPT_PATTERN);
  await second.line("echo first is ${first-unset}");
  await second.shows(/^first is unset$/);
  // In a terminal Tab is the program's, until it is asked to lead out.
  await app.keyboard.press("Control+m");
  await app.keyboard.press("Shift+Tab");
  assert.equal(await app.panel.getByRole("textbox").evaluate((input) => input === document.activeElement), false);
  await app.output.getByRole("tab").last().focus();
  await app.keyboard.press("ArrowLeft");
  assert.equal(await app.output.getByRole("tab").first().getAttribute("aria-selected"), "true");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "tab", "the focus stays on the tabs");
  const again = new Terminal(page, app.panel);
  // What catches the pointer lies above the text.
  await again.screen.click({ force: true });
  await again.line("echo first is ${first-unset}");
  await again.shows(/^first is 1$/);
});

pageTest("terminal server's own page works", () => browser, async ({ open, later }) => {
  const alone = await Server.start({ command: ["terminal", "--http", "0", "--ws", "0"] });
  later(() => alone.stop());
  const page = await open(alone.url);
  const terminal = new Terminal(page, page.locator("body"));
  await terminal.ready();
  await terminal.shows(PROMPT_PATTERN);
  await terminal.line("echo here-$((2+3))");
  await terminal.shows(/^here-5$/);
  await accessible(page, "the terminal server's page");
  await pictures(page, "terminal-server");
  await terminal.line("exit");
  await page.getByText("The shell has ended.").waitFor();
  await page.getByRole("button", { name: "Start a new shell" }).click();
  await terminal.shows(PROMPT_PATTERN);
});

pageTest("program that needs a terminal is offered one, and its tab scrolls into view", () => browser, async ({ open, later }) => {
  const device = await Server.start({ files: { "draw.py": "import curses\ncurses.wrapper(lambda screen: screen.getkey())\n" } });
  later(() => device.stop());
  const page = await open(device.url, { viewport: DESKTOP_VIEWPORT });
  const app = await new Page(page).ready();
  await app.openFile("draw.py");
  await app.run();
  await app.panel.getByRole("button", { name: "Run it in a terminal" }).click();
  await app.is("Running");
  const drawn = new Terminal(page, app.panel);
  await drawn.ready();
  await page.keyboard.press("q");
  await app.is(/^Finished/);

  for (let number = 1; number <= 8; number += 1) {
    await app.shell();
    await app.runTab(number === 1 ? /Shell$/ : `Shell ${number}`).waitFor();
  }
  await until(page, "the newest tab is in view", () => {
    const tab = document.querySelector('#area-output [role="tab"][aria-selected="true"]').getBoundingClientRect();
    const row = document.querySelector('#area-output [role="tablist"]').getBoundingClientRect();
    return tab.left >= row.left - 1 && tab.right <= row.right + 1;
  });
});
