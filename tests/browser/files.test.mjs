// Files of the device: made, renamed, moved, deleted, uploaded, downloaded; by pointer and by
// keyboard; and two who work on the same ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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

/** Somebody at a device with these files. */
function withFiles(name, files, body, options = {}) {
  pageTest(name, () => browser, async ({ open, later }) => {
    const server = await Server.start({ files });
    later(() => server.stop());
    const page = await open(server.url, options);
    await body({ app: await new Page(page).ready(), page, server, open });
  });
}

/**
 * Waits until the server has a file, or has it no longer: the page shows it when the server has
 * told it so.
 */
async function shown(app, name, is = true) {
  await app.row(name).waitFor({ state: is ? "visible" : "detached" });
}

/**
 * Drops files, as from the desktop, onto an element. Folders cannot be made up: they are real in a
 * browser.
 */
async function drop(page, target, files) {
  const data = await page.evaluateHandle((files) => {
    const data = new DataTransfer();
    for (const [name, size, text] of files) {
      data.items.add(new File([size === null ? text : new Uint8Array(size).fill(65)], name));
    }
    return data;
  }, files);
  for (const type of ["dragenter", "dragover", "drop"]) await target.dispatchEvent(type, { dataTransfer: data });
}

const PIXEL_PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

withFiles("files are created, renamed, duplicated and deleted", { "main.py": "print(1)\n" }, async ({ app, page, server }) => {
  await app.files.getByRole("button", { name: "New folder" }).click();
  await app.keyboard.type("project");
  await app.keyboard.press("Enter");
  await shown(app, "project");
  await app.fromMenu("project", "New file in it");
  await app.keyboard.type("main.py");
  await app.keyboard.press("Enter");
  await app.editor("project/main.py").click();
  await app.keyboard.type("print(2)");
  await accessible(page, "the tree");
  await pictures(page, "files");

  await app.fromMenu("project", "Rename");
  await app.keyboard.press("Control+a");
  await app.keyboard.type("rocket");
  await app.keyboard.press("Enter");
  await shown(app, "rocket");
  // The open file goes with its folder.
  await app.editor("rocket/main.py").click();
  await app.keyboard.press("Control+End");
  await app.keyboard.type(" # here");
  await app.keyboard.press("Control+s");
  await app.notice("main.py is saved.").waitFor();
  assert.equal(server.read("rocket/main.py"), "print(2) # here");

  await app.fromMenu("rocket", "Delete");
  await app.dialog.getByText("All files and folders in it are gone then").waitFor();
  await accessible(page, "asked before deleting");
  await app.dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal(server.has("rocket"), true);
  await app.fromMenu("rocket", "Delete");
  await app.dialog.getByRole("button", { name: "Delete" }).click();
  await shown(app, "rocket", false);
  assert.equal(server.has("rocket"), false);
  assert.equal(server.read("main.py"), "print(1)\n");
});

withFiles("tree works by keyboard alone", { "a.txt": "a", "b/c.txt": "c", "d.txt": "d" }, async ({ app, page, server }) => {
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  await app.row("b").focus();
  await app.keyboard.press("ArrowRight");
  await shown(app, "c.txt");
  await app.keyboard.press("ArrowRight");
  assert.equal(await focused(), "c.txt");
  await app.keyboard.press("End");
  assert.equal(await focused(), "d.txt");
  await app.keyboard.type("a");
  assert.equal(await focused(), "a.txt", "letters lead to names");
  await app.keyboard.press("F2");
  await app.keyboard.press("Control+a");
  await app.keyboard.type("b");
  await app.files.getByText("There is a b already.").waitFor();
  await accessible(page, "a name that is taken");
  await app.keyboard.press("Control+a");
  await app.keyboard.type("e.txt");
  await app.keyboard.press("Enter");
  await shown(app, "e.txt");
  assert.equal(server.read("e.txt"), "a");
  await until(page, "the renamed row has the focus", () => document.activeElement?.getAttribute("aria-label") === "e.txt");
  await app.keyboard.press("Delete");
  await app.dialog.getByRole("button", { name: "Delete" }).waitFor();
  await app.keyboard.press("Escape");
  await app.keyboard.press("Shift+F10");
  await page.getByRole("menu").waitFor();
  await accessible(page, "a menu");
  await app.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  assert.equal(await focused(), "e.txt");
});

withFiles("file is moved by dragging it into a folder", { "a.txt": "a", "folder/b.txt": "b" }, async ({ app, server, page }) => {
  await app.row("a.txt").dragTo(app.row("folder"));
  await until(page, "it is in the folder", () => [...document.querySelectorAll('[role="treeitem"][aria-level="1"]')].length === 1);
  assert.equal(server.read("folder/a.txt"), "a");
  assert.equal(server.has("a.txt"), false);
});

withFiles("upload takes dropped and chosen files and folders, and asks before it replaces", { "there.txt": "old" }, async ({ app, page, server }) => {
  await drop(page, app.tree, [["small.txt", null, "small"], ["large.bin", 8_000_000, null]]);
  await shown(app, "large.bin");
  await app.notice("2 files uploaded.").waitFor();
  assert.equal(server.read("small.txt"), "small");
  assert.equal(server.read("large.bin").length, 8_000_000);

  const chooser = async (press) => (await Promise.all([page.waitForEvent("filechooser"), press()]))[0];
  const files = await chooser(() => app.files.getByRole("button", { name: "Upload files" }).click());
  await files.setFiles([{ name: "there.txt", mimeType: "text/plain", buffer: Buffer.from("new") }]);
  await app.dialog.getByText("There is a there.txt already").first().waitFor();
  await accessible(page, "it is there already");
  await pictures(page, "upload-question");
  await app.dialog.getByRole("button", { name: "Keep both" }).click();
  await app.dialog.waitFor({ state: "detached" });
  await app.tree.getByRole("treeitem", { name: /^there.+\.txt$/ }).waitFor();
  assert.equal(server.read("there.txt"), "old");
  await page.getByRole("button", { name: "Dismiss" }).last().click();
  await app.notice(/is uploaded/).waitFor({ state: "detached" });

  const again = await chooser(() => app.files.getByRole("button", { name: "Upload files" }).click());
  await again.setFiles([{ name: "there.txt", mimeType: "text/plain", buffer: Buffer.from("newer") }]);
  await app.dialog.getByRole("button", { name: "Replace it" }).click();
  await app.notice("there.txt is uploaded.").waitFor();
  assert.equal(server.read("there.txt"), "newer");

  // A folder, as the browser gives it: a real one of this machine.
  server.copy("examples/rover", "../rover");
  await app.files.getByRole("button", { name: "More" }).click();
  const folder = await chooser(() => page.getByRole("menuitem", { name: "Upload a folder" }).click());
  await folder.setFiles(server.path("../rover"));
  await shown(app, "rover");
  await app.notice("5 files uploaded.").waitFor();
  assert.equal(server.read("rover/main.py"), server.read("../rover/main.py"));
  assert.equal(server.read("rover/robot/__init__.py"), server.read("../rover/robot/__init__.py"));
  await app.row("rover").click();
  await app.openFile("main.py", "rover/main.py");
  await app.run();
  await app.is(/^(Finished|Running)/);
});

withFiles("download gives a file, and a folder as an archive", { "a.txt": "text\n", "folder/b.txt": "b" }, async ({ app, page }) => {
  const download = async (press) => {
    const [saved] = await Promise.all([page.waitForEvent("download"), press()]);
    return { name: saved.suggestedFilename(), bytes: readFileSync(await saved.path()) };
  };
  const file = await download(() => app.fromMenu("a.txt", "Download"));
  assert.equal(file.name, "a.txt");
  assert.equal(file.bytes.toString(), "text\n");
  const archive = await download(() => app.fromMenu("folder", "Download as ZIP"));
  assert.equal(archive.name, "folder.zip");
  assert.equal(archive.bytes.subarray(0, 2).toString(), "PK");
  assert.ok(archive.bytes.includes("b.txt"));
});

withFiles("editor shows images, binary files and unusual names", {
  "bytes.bin": Buffer.from([0, 1, 2, 255, 254]),
  "picture.png": PIXEL_PNG,
  "größe 100% & <b>#1?.txt": "strange name",
  "empty.py": "",
}, async ({ app, page, server }) => {
  await app.row("picture.png").click();
  await until(page, "the picture is drawn", () => document.querySelector('img[alt="Picture picture.png"]')?.naturalWidth === 1);
  await app.row("bytes.bin").click();
  await app.program.getByText("This file is no text.").waitFor();
  await accessible(page, "a file that is no text");
  await pictures(page, "no-text");
  await app.openFile("größe 100% & <b>#1?.txt");
  await app.editor("größe 100% & <b>#1?.txt").filter({ hasText: "strange name" }).click();
  await app.keyboard.press("Control+End");
  await app.keyboard.type("!");
  await app.keyboard.press("Control+s");
  await app.notice(/is saved/).waitFor();
  assert.equal(server.read("größe 100% & <b>#1?.txt"), "strange name!");
});

withFiles("conflict between two pages loses nobody's text", { "shared.py": "print('first')\n" }, async ({ app, page, server, open }) => {
  const other = await new Page(await open(server.url)).ready();
  await app.openFile("shared.py");
  await other.openFile("shared.py");
  await other.replaceText("shared.py", "print('from the other')\n");
  await app.editor("shared.py").filter({ hasText: "from the other" }).waitFor();

  await other.files.getByRole("button", { name: "New file" }).click();
  await other.keyboard.type("new.py");
  await other.keyboard.press("Enter");
  await shown(app, "new.py");
  await other.fromMenu("new.py", "Delete");
  await other.dialog.getByRole("button", { name: "Delete" }).click();
  await shown(app, "new.py", false);

  // Both write, and one of them cannot reach the device meanwhile.
  await page.route("**/fs/**", (route) => (route.request().method() === "PUT" ? route.abort() : route.continue()));
  await app.replaceText("shared.py", "print('mine')\n");
  await app.program.getByText(/^Not saved: the device does not answer/).waitFor();
  await pictures(page, "not-saved");
  await accessible(page, "not saved");
  await other.fileTab("shared.py").click();
  await other.replaceText("shared.py", "print('theirs')\n");
  await app.program.getByText("This file was changed elsewhere").waitFor();
  await page.unroute("**/fs/**");
  await app.program.getByRole("button", { name: "Show the difference" }).click();
  await accessible(page, "changed by two");
  await pictures(page, "changed-by-two");
  await app.program.getByRole("button", { name: "Keep mine" }).click();
  await other.editor("shared.py").filter({ hasText: "print('mine')" }).waitFor();
  assert.equal(server.read("shared.py"), "print('mine')\n");
}, { allowed: [/ERR_FAILED/] });

withFiles("files dropped outside the tree are uploaded", { "main.py": "print(1)\n" }, async ({ app, page, server }) => {
  await app.openFile("main.py");
  await drop(page, app.editor("main.py"), [["dropped.txt", null, "dropped"]]);
  await shown(app, "dropped.txt");
  await drop(page, app.output, [["beside.txt", null, "beside"]]);
  await shown(app, "beside.txt");
  assert.equal(server.read("dropped.txt"), "dropped");
  assert.equal(server.read("main.py"), "print(1)\n", "its text is not put into the file that is open");
  assert.match(await app.editor("main.py").innerText(), /^print\(1\)\s*$/);
});

withFiles("cancelled new file does not select a folder", { "examples/a.txt": "a" }, async ({ app, server }) => {
  const create = app.files.getByRole("button", { name: "New file" });
  await shown(app, "examples");
  await create.click();
  await app.keyboard.press("Escape");
  await create.click();
  await app.keyboard.type("top.txt");
  await app.keyboard.press("Enter");
  await shown(app, "top.txt");
  assert.equal(server.has("top.txt"), true);
  assert.equal(server.has("examples/top.txt"), false);
});
