// What a person sees when the connection breaks, and that nothing that was written is lost by it.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, pageTest, pictures } from "./browser.mjs";
import { Page, until } from "./page.mjs";
import { Server } from "./server.mjs";

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

const PROJECT_FILES = { "wait.py": "print('waiting')\ninput()\n", "count.py": "import time\nfor n in range(10**6):\n    print(n, flush=True)\n    time.sleep(0.05)\n" };

function visit(name, body, options = {}) {
  pageTest(name, () => browser, async ({ open, later }) => {
    const server = await Server.start({ files: PROJECT_FILES });
    later(() => server.stop());
    const page = await open(server.url, { mayLoseConnection: true, ...options });
    await body({ app: await new Page(page).ready(), page, server, open });
  });
}

for (const [how, lose] of [["cut off, as by a power cut", "cut"], ["restarted", "halt"]]) {
  visit(`page keeps what is written and reconnects when the server is ${how}`, async ({ app, page, server }) => {
    await app.openFile("wait.py");
    await app.run();
    await app.shows("wait.py", "waiting");
    await server[lose]();
    const banner = page.getByRole("alert").filter({ hasText: "connection" });
    await banner.waitFor();
    await app.is(/connection was lost/);
    assert.equal(await app.runButton.isDisabled(), true);
    // Somebody goes on writing.
    await app.replaceText("wait.py", "print('written while it was away')\n");
    await app.program.getByText(/^Not saved: the device does not answer/).waitFor();
    await accessible(page, "no connection");
    await pictures(page, `no-connection-${lose}`);
    await server.again();
    await app.ready();
    await banner.waitFor({ state: "detached" });
    await app.program.getByText(/^Not saved/).waitFor({ state: "detached" });
    assert.equal(server.read("wait.py"), "print('written while it was away')\n");
    await app.run();
    await app.shows("wait.py", "written while it was away");
    await app.is(/^Finished/);
    // What others do with files is seen again, too.
    server.write("new.py", "");
    await app.row("new.py").waitFor();
  });
}

visit("“Try now” reconnects at once without disturbing another page", async ({ app, page, server, open }) => {
  const second = await new Page(await open(server.url, { mayLoseConnection: true })).ready();
  await server.cut();
  const again = page.getByRole("button", { name: "Try now" });
  await again.waitFor();
  await server.again();
  // It may come back by itself in this moment.
  await again.click().catch(() => {});
  await app.ready();
  await second.ready();
  assert.equal(await second.runButton.isDisabled(), true);
});

visit("closed page stops its programs", async ({ app, page, server, open }) => {
  await app.openFile("count.py");
  await app.run();
  await app.shows("count.py", /^\d/);
  const other = await new Page(await open(server.url)).ready();
  // The device counts its programs now and then.
  const running = (count) =>
    until(other.page, `${count} programs run`, async (count) => (await (await fetch("/device")).json()).programs === count, count);
  await running(1);
  await page.close();
  await running(0);
});

visit("two pages of one browser share files but not programs", async ({ app, page, server, open }) => {
  const other = await new Page(await open(server.url, { context: page.context() })).ready();
  await app.openFile("wait.py");
  await app.run();
  await app.shows("wait.py", "waiting");
  await other.openFile("count.py");
  await other.run();
  await other.shows("count.py", /^3$/m);
  assert.equal(await other.output.getByRole("tab").count(), 1);
  await app.answer("wait.py", "");
  await app.is(/^Finished/);
  await other.is("Running");
  await other.stopButton.click();
  await other.is(/^Stopped/);
  assert.equal(await app.output.getByRole("tab").count(), 1);
});
