// The connection breaks: what the page says, what is kept, and that everything works again
// afterwards. And pages beside each other, and pages that go.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, pageTest, pictures, screenshot } from "./browser.mjs";
import { Page, until } from "./page.mjs";
import { Server } from "./server.mjs";

/** Milliseconds for something of the device to happen that no page tells of. */
const DEVICE_TIMEOUT_MS = 15_000;
/** Milliseconds between two looks at it. */
const POLL_INTERVAL_MS = 50;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Says its number, and goes on for ever. */
const LASTING_PROGRAM = "import os, time\nprint('I am', os.getpid(), flush=True)\nwhile True:\n    time.sleep(1)\n";

function withDevice(name, files, body, options = {}) {
  pageTest(name, () => browser, async ({ open, later }) => {
    const server = await Server.start({ files });
    later(() => server.kill());
    const page = await open(server.url, { mayLoseConnection: true, ...options });
    await body({ app: await new Page(page).ready(), page, server, open });
  });
}

/** The process that has said so in its console. */
async function pidOf(app, file) {
  await app.shows(file, /I am \d+/);
  return Number(/I am (\d+)/.exec(await app.console(file).innerText())[1]);
}

const lives = (pid) => existsSync(`/proc/${pid}`);

/** Waits until something is so on the device. */
async function eventually(words, condition) {
  const end = Date.now() + DEVICE_TIMEOUT_MS;
  while (!condition()) {
    assert.ok(Date.now() < end, words);
    await new Promise((done) => setTimeout(done, POLL_INTERVAL_MS));
  }
}

const LOST_TEXT = "The connection was lost, so the device has stopped this program";

withDevice("page reconnects after the server was killed", { "lasting.py": LASTING_PROGRAM, "notes.txt": "first\n" }, async ({ app, page, server }) => {
  await app.openFile("lasting.py");
  await app.run();
  const pid = await pidOf(app, "lasting.py");
  await app.openFile("notes.txt");
  await server.cut();
  const banner = page.getByRole("alert").filter({ hasText: "The connection to the device is lost." });
  await banner.filter({ hasText: "The device stops the programs of this page; nothing you have written is lost." }).waitFor();
  await banner.getByRole("button", { name: "Try now" }).waitFor();
  await app.device.getByText("Not connected").or(app.device.getByText("Connecting …")).waitFor();
  await app.is(LOST_TEXT);
  await accessible(page, "the connection is lost");
  await pictures(page, "lost");
  // What was put out is still there, and what is written now is kept.
  await app.shows("lasting.py", `I am ${pid}`);
  await app.replaceText("notes.txt", "written while it was away\n");
  await app.program.getByText(/^Not saved: the device does not answer/).waitFor();
  assert.equal(server.read("notes.txt"), "first\n");

  await server.again();
  await banner.getByRole("button", { name: "Try now" }).click();
  await app.ready();
  await banner.waitFor({ state: "detached" });
  await app.notice("Connected again. Programs that were running have been stopped; start them again.").waitFor();
  await screenshot(page, "back-again");
  await app.program.getByText(/^Not saved: the device does not answer/).waitFor({ state: "detached" });
  await eventually("the text is saved", () => server.read("notes.txt") === "written while it was away\n");
  await app.fileTab("lasting.py").click();
  await app.run();
  await app.is("Running");
  const next = await pidOf(app, "lasting.py");
  assert.notEqual(next, pid);
  await app.stopButton.click();
  await app.is(/^Stopped/);
  await eventually("both programs are gone", () => !lives(pid) && !lives(next));
});

withDevice("page reconnects after an orderly stop of the server", { "first.py": "print('ran')\n" }, async ({ app, page, server }) => {
  await app.openFile("first.py");
  await server.halt();
  await page.getByRole("alert").filter({ hasText: "The connection to the device is lost." }).waitFor();
  await page.getByRole("alert").getByText("The server on the device has ended.").waitFor();
  await server.again();
  await app.ready();
  await app.notice("Connected again.").waitFor();
  await app.run();
  await app.is(/^Finished/);
  await app.shows("first.py", "ran");
});

withDevice("draft survives a reload without a connection", { "notes.txt": "first\n" }, async ({ app, page, server }) => {
  await app.openFile("notes.txt");
  await server.cut();
  await page.getByRole("alert").waitFor();
  await app.replaceText("notes.txt", "not saved anywhere yet");
  await app.program.getByText(/^Not saved: the device does not answer/).waitFor();
  await server.again();
  // Before the page has found the device again by itself, or after: either way nothing is lost.
  page.on("dialog", (dialog) => dialog.accept());
  await page.reload();
  await app.ready();
  const bring = app.program.getByRole("button", { name: "Bring it back" });
  const kept = app.editor("notes.txt").filter({ hasText: "not saved anywhere yet" });
  await bring.or(kept).first().waitFor();
  if (await bring.isVisible()) await bring.click();
  await kept.waitFor();
  await eventually("it is on the device", () => server.read("notes.txt") === "not saved anywhere yet");
});

withDevice("page saves after being offline", { "lasting.py": LASTING_PROGRAM }, async ({ app, page, server }) => {
  await app.openFile("lasting.py");
  await page.context().setOffline(true);
  await app.replaceText("lasting.py", "print('changed')\n");
  await app.program.getByText(/^Not saved: the device does not answer/).waitFor();
  await pictures(page, "offline");
  await accessible(page, "offline");
  await page.context().setOffline(false);
  await eventually("it is saved by itself", () => server.read("lasting.py") === "print('changed')\n");
  await app.ready();
  await app.run();
  await app.is(/^Finished/);
  await app.shows("lasting.py", "changed");
});

withDevice("two tabs keep their own programs and share a text that both change", { "lasting.py": LASTING_PROGRAM, "shared.txt": "one\n" }, async ({ app, page, server, open }) => {
  const second = await open(server.url, { context: page.context() });
  const other = await new Page(second).ready();
  await app.openFile("lasting.py");
  await app.run();
  const mine = await pidOf(app, "lasting.py");
  assert.equal(await other.output.getByRole("tab").count(), 0, "a program belongs to the page that has started it");
  await other.openFile("lasting.py");
  await other.run();
  const theirs = await pidOf(other, "lasting.py");
  assert.notEqual(mine, theirs);

  await app.openFile("shared.txt");
  await other.openFile("shared.txt");
  await app.replaceText("shared.txt", "from the first\n");
  await other.editor("shared.txt").filter({ hasText: "from the first" }).waitFor();
  await other.replaceText("shared.txt", "from the second\n");
  await app.editor("shared.txt").filter({ hasText: "from the second" }).waitFor();
  assert.equal(server.read("shared.txt"), "from the second\n");

  // A page that is closed takes its programs with it, and no others.
  await second.close();
  await eventually("the program of the closed page is gone", () => !lives(theirs));
  assert.equal(lives(mine), true);
  await app.is("Running");
  await page.reload();
  await eventually("so is that of a page that was loaded anew", () => !lives(mine));
  await app.ready();
});

withDevice("program that ignores signals does not outlive its page", {
  "stubborn.py": "import os, signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\nchild = subprocess.Popen(['sleep', '1000'])\nprint('I am', os.getpid(), 'with', child.pid, flush=True)\nwhile True:\n    time.sleep(1)\n",
}, async ({ app, page }) => {
  await app.openFile("stubborn.py");
  await app.run();
  const pid = await pidOf(app, "stubborn.py");
  const child = Number(/with (\d+)/.exec(await app.console("stubborn.py").innerText())[1]);
  assert.ok(lives(pid) && lives(child));
  await page.close();
  await eventually("the program and its child are gone", () => !lives(pid) && !lives(child));
});

withDevice("page says that there is no server", {}, async ({ app, page, server }) => {
  await server.cut();
  await page.getByRole("alert").waitFor();
  // Run and New shell are there, and say what is the matter instead of doing nothing.
  await app.output.getByRole("button", { name: "New shell" }).click();
  await until(page, "the page says something", () => document.querySelector('[role="alert"]')?.textContent !== "");
  await screenshot(page, "no-server");
});
