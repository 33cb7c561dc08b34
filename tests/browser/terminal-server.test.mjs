// `further-link terminal`: its own page in a browser, and what needs none.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { DESKTOP_VIEWPORT, launch, pageTest, pictures, SMALL_PHONE_VIEWPORT, WIDE_VIEWPORT } from "./browser.mjs";
import { Terminal, until } from "./page.mjs";
import { Server } from "./server.mjs";

const PROMPT_PATTERN = /[$#] ?$/;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Somebody at the page of a terminal server. */
function shell(name, body, options = {}) {
  pageTest(name, () => browser, async ({ open, later }) => {
    const server = await Server.start({ command: ["terminal", "--http", "0", "--ws", "0"] });
    later(() => server.kill());
    const page = await open(server.url, { viewport: WIDE_VIEWPORT, mayLoseConnection: true, ...options });
    const terminal = await new Terminal(page, page.locator("main")).ready();
    await terminal.shows(PROMPT_PATTERN);
    await body({ page, terminal, server });
  });
}

shell("terminal echoes what is typed, whatever its letters", async ({ page, terminal }) => {
  await page.locator(".xterm-screen").click();
  await terminal.line("echo größe-漢字-→-$((6*7))");
  await terminal.shows(/^größe-漢字-→-42$/);
  await terminal.line("printf '\\xe2\\x82'; printf '\\xac half\\n'");
  await terminal.shows(/€ half$/);
  await accessible(page, "the terminal server's page");
  await pictures(page, "terminal-server");
});

shell("stty sees the size of the window", async ({ page, terminal }) => {
  await page.locator(".xterm-screen").click();
  let asked = 0;
  const size = async () => {
    asked += 1;
    await terminal.line(`echo "asked ${asked}: $(stty size)"`);
    const answer = new RegExp(`^asked ${asked}: (\\d+) (\\d+)$`);
    await terminal.shows(answer);
    return (await terminal.lines()).map((line) => answer.exec(line)).find((found) => found !== null).slice(1).map(Number);
  };
  const [rows, columns] = await size();
  assert.equal((await terminal.lines()).length, rows);
  await page.setViewportSize(DESKTOP_VIEWPORT);
  await until(page, "there are fewer rows", ([screen, rows]) => screen.children.length < rows, [await terminal.screen.elementHandle(), rows]);
  const [fewer, others] = await size();
  assert.ok(fewer < rows && others < columns, `${fewer} × ${others} of ${rows} × ${columns}`);
});

shell("page ends with its shell, and starts a new one", async ({ page, terminal }) => {
  await page.locator(".xterm-screen").click();
  await terminal.line("here=1");
  await terminal.line("exit");
  await page.getByText("The shell has ended.").waitFor();
  await page.getByRole("button", { name: "Start a new shell" }).click();
  await terminal.shows(PROMPT_PATTERN);
  await page.locator(".xterm-screen").click();
  await terminal.line("echo here is ${here-unset}");
  await terminal.shows(/^here is unset$/);
});

shell("page says that the server has ended, and reconnects when asked", async ({ page, server }) => {
  await server.cut();
  await page.getByText("The connection is lost, and the shell with it.").waitFor();
  await accessible(page, "a terminal that is lost");
  await pictures(page, "terminal-server-lost");
  await page.getByRole("button", { name: "Start a new shell" }).click();
  await page.getByText("There is no connection to the terminal server.").waitFor();
});

shell("two pages have a shell each", async ({ page, terminal, server }) => {
  const second = await page.context().newPage();
  await second.goto(server.url);
  const other = await new Terminal(second, second.locator("main")).ready();
  await other.shows(PROMPT_PATTERN);
  await page.locator(".xterm-screen").click();
  await terminal.line("echo $((1+1))-first");
  await terminal.shows(/^2-first$/);
  assert.ok(!(await other.lines()).some((line) => line.includes("first")));
  await second.close();
  await terminal.line("echo still-$((3+4))");
  await terminal.shows(/^still-7$/);
});

shell("terminal page offers the keys that a phone lacks", async ({ page, terminal }) => {
  await page.locator(".xterm-screen").tap();
  await terminal.line("echo again");
  await terminal.shows(/^again$/);
  await page.getByRole("group", { name: "Keys for the terminal" }).getByRole("button", { name: "Arrow up", exact: true }).tap();
  await terminal.shows(/[$#] echo again$/);
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= SMALL_PHONE_VIEWPORT.width);
  await accessible(page, "the terminal server on a phone");
  await pictures(page, "terminal-server-phone");
}, { touch: true, viewport: SMALL_PHONE_VIEWPORT });
