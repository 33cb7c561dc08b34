// The first page against the real server, as a person uses it.

import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { FirstPage, launch } from "./browser.mjs";
import { Server } from "./server.mjs";

const ADVENTURE = readFileSync(new URL("../programs/adventure.py", import.meta.url), "utf8");

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = (t, options) => FirstPage.open(t, browser, server.url, options);

test("a Python program asks, is answered and finishes", async (t) => {
  const page = await open(t);
  await page.sees("#version", /^Further Link \d+\.\d+/);
  await page.screenshot("opened");
  await page.paste('name = input("Who is there? ")\nprint(f"Hello, {name}!")\n');
  await page.press("Run");
  await page.seesOutput("Who is there?");
  await page.seesState("Running");
  await page.screenshot("asking");
  await page.answer("Zoë");
  await page.seesState("Finished");
  await page.seesOutput("Who is there? Zoë Hello, Zoë!");
  assert.equal(await page.shown("stdout"), "Who is there? Hello, Zoë!\n");
  assert.equal(await page.shown("stderr"), "");
  await page.screenshot("finished");
});

test("output appears while the program goes on", async (t) => {
  const page = await open(t);
  await page.paste('print("first")\ninput()\nprint("second")\n');
  await page.page.keyboard.press("Control+Enter");
  await page.seesOutput("first");
  assert.equal(await page.shown("stdout"), "first\n");
  await page.answer("");
  await page.seesState("Finished");
  assert.equal(await page.shown("stdout"), "first\nsecond\n");
});

test("a program of some size is pasted and talked to", async (t) => {
  const page = await open(t);
  await page.paste(ADVENTURE);
  await page.page.reload();
  assert.equal(await page.page.getByLabel("Your program").inputValue(), ADVENTURE, "a reload loses no work");
  await page.sees("#connection", "Connected");
  await page.press("Run");
  const walk = ["go north", "go up", "take key", "go south", "go east", "take oil", "take net", "dance", "bag",
    "go west", "go north", "go up", "go up", "examine lamp", "light lamp"];
  for (const [index, command] of walk.entries()) {
    await page.seesOutput(`[${index + 1}] >`);
    await page.answer(command);
  }
  await page.seesState("Finished");
  const out = await page.shown("stdout");
  assert.match(out, /You take the oil \(4 kg\)\./);
  assert.match(out, /Ships’ lights blink on the sea — café-yellow, tiny\./);
  assert.match(out, /\.\.\.\n\.\.\n\.\nThe lamp shines over the sea\. You took 15 turns and saw 5 places\.\n$/);
  assert.equal(await page.shown("stderr"), "The door is locked. You need a key.\n"
    + "With the net you would carry 8 kg, and 6 is all you can.\nNobody knows how to “dance”. Try help.\n");
  assert.equal(await page.shown("typed"), walk.map((command) => `${command}\n`).join(""));
  await page.screenshot("adventure");
});

test("a program that fails shows its traceback", async (t) => {
  const page = await open(t);
  await page.paste('print("before")\n{}["missing"]\n');
  await page.press("Run");
  await page.seesState("Ended with status 1");
  assert.equal(await page.shown("stdout"), "before\n");
  assert.match(await page.shown("stderr"), /^Traceback[^]*KeyError: 'missing'\n$/);
  await page.seesOutput("Error output: Traceback");
  await page.screenshot("traceback");
});

test("Stop ends a program that prints for ever, and the page goes on", async (t) => {
  const page = await open(t);
  await page.paste('while True:\n    print("still here, " * 20)\n');
  await page.press("Run");
  await page.sees("#dropped", "Older output was dropped");
  await page.press("Stop");
  await page.seesState("Stopped");
  const kept = (await page.shown("stdout")).length;
  assert.ok(kept > 500_000 && kept < 1_100_000, `${kept} characters are kept`);
  await page.showsTheEnd();
  await page.screenshot("stopped");
  await page.paste('print("next")\n');
  await page.press("Run");
  await page.seesState("Finished");
  assert.equal(await page.shown("stdout"), "next\n");
});

test("a shell script reads, complains and ends with a status", async (t) => {
  const page = await open(t);
  await page.choose("Shell");
  await page.paste('echo out\necho complaint >&2\nread -r word\necho "got $word"\nexit 7\n');
  await page.press("Run");
  await page.seesOutput("complaint");
  await page.answer("two words");
  await page.seesState("Ended with status 7");
  assert.equal(await page.shown("stdout"), "out\ngot two words\n");
  assert.equal(await page.shown("stderr"), "complaint\n");
});

test("a program that cannot be started says so", async (t) => {
  const page = await open(t);
  await page.choose("Shell");
  await page.paste("#!/no/such/interpreter\n");
  await page.press("Run");
  await page.seesState("Could not start");
  await page.sees("#output .note", /\w/);
  await page.screenshot("not-started");
  await page.paste("echo works again\n");
  await page.press("Run");
  await page.seesState("Finished");
  assert.equal(await page.shown("stdout"), "works again\n");
});

test("the live shell remembers its folder", async (t) => {
  const page = await open(t);
  await page.choose("Live shell");
  await page.press("Start shell");
  await page.seesState("Running");
  await page.answer("cd /usr");
  await page.answer("pwd");
  await page.seesOutput("/usr");
  await page.answer("cd /tmp");
  await page.answer("pwd");
  await page.seesOutput("/usr cd /tmp pwd /tmp");
  assert.equal(await page.shown("stdout"), "/usr\n/tmp\n");
  await page.screenshot("live-shell");
  await page.answer("exit 3");
  await page.seesState("Ended with status 3");
});

test("a lost connection is told, and comes back by itself", async (t) => {
  const first = await Server.start();
  let running = first;
  t.after(() => running?.stop());
  const page = await FirstPage.open(t, browser, first.url, { mayLoseConnection: true });
  await page.paste('print("on my way")\ninput()\n');
  await page.press("Run");
  await page.seesOutput("on my way");
  running = null;
  await first.kill();
  await page.sees("#connection", "Connection lost");
  await page.seesState("Stopped with the connection");
  await page.sees("#output .note", "The program was stopped with it");
  await page.screenshot("connection-lost");
  running = await Server.start(first.port);
  await page.sees("#connection", "Connected");
  await page.paste('print("back again")\n');
  await page.press("Run");
  await page.seesState("Finished");
  assert.equal(await page.shown("stdout"), "back again\n");
});

test("the page can be used by keyboard alone", async (t) => {
  const page = await open(t);
  const { keyboard } = page.page;
  const focused = () => page.page.locator(":focus").getAttribute("id");
  await page.page.getByLabel("Your program").focus();
  await keyboard.press("Control+A");
  await keyboard.type('for name in [input()]:\nprint("Hi", name)');
  assert.equal(await page.page.getByLabel("Your program").inputValue(), 'for name in [input()]:\n    print("Hi", name)');
  await keyboard.press("Escape");
  await keyboard.press("Tab");
  assert.equal(await focused(), "output", "Esc, then Tab, leaves the editor");
  await keyboard.press("Control+Enter");
  await page.seesState("Running");
  await keyboard.press("Tab");
  assert.equal(await focused(), "input");
  await keyboard.type("Ada");
  await keyboard.press("Enter");
  await page.seesState("Finished");
  assert.equal(await page.shown("stdout"), "Hi Ada\n");
  assert.equal(await focused(), "input", "the end of a program takes the focus from nobody");
  await keyboard.press("ArrowUp");
  assert.equal(await page.page.locator("#input").inputValue(), "Ada");
});

for (const colorScheme of ["light", "dark"]) {
  test(`a phone of 360 pixels has room for everything (${colorScheme})`, async (t) => {
    const page = await open(t, { viewport: { width: 360, height: 740 }, colorScheme });
    await page.fitsItsWidth();
    await page.screenshot(`phone-${colorScheme}`);
    await page.paste('import sys\nprint("wide " * 100)\nprint("x" * 300, file=sys.stderr)\ninput("And now? ")\n');
    await page.press("Run");
    await page.seesOutput("And now?");
    await page.fitsItsWidth();
    await page.page.locator("#input").scrollIntoViewIfNeeded();
    await page.screenshot(`phone-${colorScheme}-asking`);
    await page.press("Stop");
    await page.seesState("Stopped");
    await page.choose("Live shell");
    await page.fitsItsWidth();
  });
}
