// What programs show and ask for beside their text: keys, pictures, plots, figures, widgets. The
// programs are the examples.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, pageTest, pictures, WIDE_VIEWPORT } from "./browser.mjs";
import { Page, until } from "./page.mjs";
import { program, Server } from "./server.mjs";

let browser;
let server;

const EXAMPLE_NAMES = ["keys", "widgets", "melody", "live_plot", "matplotlib_figures", "video_pil"];
/** Pictures for as long as somebody looks at them, and a key that ends it. */
const STEERED_PROGRAM = `
import time
from threading import Event
from further_link import KeyboardButton, send_image
from PIL import Image
finished = Event()
turned = 0
def turn():
    global turned
    turned += 1
    print("turned", turned)
KeyboardButton("ArrowLeft").when_pressed = turn
KeyboardButton("q").when_pressed = finished.set
number = 0
while not finished.is_set():
    number += 1
    send_image(Image.new("RGB", (320, 240), (number % 256, 128, turned * 40 % 256)))
    time.sleep(0.02)
print("ended by its key")
`;

before(async () => {
  const files = Object.fromEntries(EXAMPLE_NAMES.map((name) => [`${name}.py`, program(`examples/${name}.py`)]));
  [browser, server] = await Promise.all([launch(), Server.start({ files: { ...files, "steered.py": STEERED_PROGRAM } })]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Somebody who has started a program. */
function running(name, file, body) {
  pageTest(name, () => browser, async ({ open }) => {
    const page = await open(server.url, { viewport: WIDE_VIEWPORT });
    const app = await new Page(page).ready();
    await app.openFile(file);
    await app.run();
    await body(app, page);
  });
}

/** A panel of the program in front. */
function panel(app, name) {
  return app.panel.getByRole("region", { name, exact: true });
}

running("keys are held by keyboard and pointer, and released when the page loses focus", "keys.py", async (app, page) => {
  const keys = panel(app, "Keys");
  const pad = keys.getByRole("application");
  await keys.getByRole("button", { name: "Arrow up" }).waitFor();
  await keys.getByRole("button", { name: "Arrow right" }).waitFor();
  await pad.focus();
  await app.keyboard.down("ArrowUp");
  await app.shows("keys.py", "motors: left +1.0, right +1.0");
  await accessible(page, "keys");
  await pictures(page, "keys");
  await app.keyboard.up("ArrowUp");
  await app.shows("keys.py", "motors: left +0.0, right +0.0");
  const right = await keys.getByRole("button", { name: "Arrow right" }).boundingBox();
  await page.mouse.move(right.x + right.width / 2, right.y + right.height / 2);
  await page.mouse.down();
  await app.shows("keys.py", "motors: left +0.5, right -0.5");
  await page.mouse.up();
  // A key that is down while the page loses the focus goes up: the robot stops.
  await pad.focus();
  await app.keyboard.down("ArrowDown");
  await app.shows("keys.py", "motors: left -1.0, right -1.0");
  await page.evaluate(() => dispatchEvent(new Event("blur")));
  await until(page, "the motors have stopped", () =>
    /left -1\.0, right -1\.0\nmotors: left \+0\.0, right \+0\.0\n$/.test(document.querySelector(".console")?.textContent ?? ""),
  );
  await app.keyboard.up("ArrowDown");
  // The program wants Escape itself, so Shift+Escape leaves.
  await pad.focus();
  await app.keyboard.press("Shift+Escape");
  assert.equal(await pad.evaluate((element) => element === document.activeElement), false);
  await app.is("Running");
  await pad.focus();
  await app.keyboard.press("Escape");
  await app.is(/^Finished/);
});

running("video is steered by a key, enlarged and saved", "steered.py", async (app, page) => {
  const video = panel(app, "Video");
  await video.getByText("320 × 240").waitFor();
  // Read by a canvas of its own, so that the page's stays as it is.
  await page.evaluate(() => {
    const own = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const context = own.getContext("2d", { willReadFrequently: true });
    globalThis.pixelOf = (canvas) => {
      context.drawImage(canvas, 10, 10, 1, 1, 0, 0, 1, 1);
      return context.getImageData(0, 0, 1, 1).data.join();
    };
  });
  const canvas = await video.getByRole("img").elementHandle();
  const first = await canvas.evaluate((canvas) => globalThis.pixelOf(canvas));
  await until(page, "the picture changes", ([canvas, first]) => globalThis.pixelOf(canvas) !== first, [canvas, first]);
  const [download] = await Promise.all([page.waitForEvent("download"), video.getByRole("button", { name: "Save Video" }).click()]);
  assert.deepEqual([...readFileSync(await download.path()).subarray(0, 2)], [0xff, 0xd8], "a JPEG picture");
  await panel(app, "Keys").getByRole("application").focus();
  await app.keyboard.press("ArrowLeft");
  await app.shows("steered.py", "turned 1");
  await accessible(page, "a video");
  await pictures(page, "video");
  await video.getByRole("button", { name: "Enlarge Video" }).click();
  await app.dialog.getByRole("img").waitFor();
  await accessible(page, "a video, enlarged");
  await pictures(page, "video-enlarged");
  await app.keyboard.press("Escape");
  await app.dialog.waitFor({ state: "detached" });
  await panel(app, "Keys").getByRole("application").focus();
  await app.keyboard.press("q");
  await app.shows("steered.py", "ended by its key");
  await app.is(/^Finished/);
  await panel(app, "Keys").getByText("The program is over and takes no keys.").waitFor();
});

running("video of an example ends", "video_pil.py", async (app) => {
  await panel(app, "Video").getByText("320 × 240").waitFor();
  await app.is(/^Finished/);
  await app.shows("video_pil.py", "The ball has come to rest.");
});

running("plots grow while the program runs", "live_plot.py", async (app, page) => {
  await panel(app, "Temperature").getByRole("img").waitFor();
  const position = panel(app, "Position").getByRole("img", { name: /roll is .* at 99; .*pitch is .* at 99/ });
  await app.is(/^Finished/);
  await position.waitFor();
  await position.locator("canvas").waitFor();
  await accessible(page, "plots");
  await pictures(page, "plots");
  const [table] = await Promise.all([
    page.waitForEvent("download"),
    panel(app, "Position").getByRole("button", { name: "Save the numbers of Position as a table" }).click(),
  ]);
  assert.match(readFileSync(await table.path(), "utf8"), /roll.*pitch[\s\S]*99/);
});

pageTest("sound plays tones, and is muted by a press", () => browser, async ({ open }) => {
  const page = await open(server.url, { viewport: WIDE_VIEWPORT });
  await page.evaluate(() => {
    const { start } = OscillatorNode.prototype;
    globalThis.tones = [];
    OscillatorNode.prototype.start = function (...times) {
      globalThis.tones.push(Math.round(this.frequency.value));
      return start.apply(this, times);
    };
  });
  const app = await new Page(page).ready();
  await app.openFile("melody.py");
  await app.run();
  const sound = panel(app, "Sound");
  await sound.getByText(/^Last: a tone of [0-9.]+ Hz$/).waitFor();
  await until(page, "two tones are heard", () => globalThis.tones.length >= 2);
  assert.deepEqual(await page.evaluate(() => globalThis.tones.slice(0, 2)), [262, 294]);
  await accessible(page, "sound");
  await pictures(page, "sound");
  await sound.getByRole("button", { name: "Mute" }).click();
  const heard = await page.evaluate(() => globalThis.tones.length);
  await app.shows("melody.py", "Done.");
  assert.equal(await page.evaluate(() => globalThis.tones.length), heard);
});

running("figures are shown until they are closed", "matplotlib_figures.py", async (app, page) => {
  const name = (power) => `Figure ${power}: x to the power of ${power}`;
  for (const power of [1, 2, 3]) await panel(app, name(power)).getByRole("img").waitFor();
  await until(page, "the pictures are there", () =>
    [...document.querySelectorAll('section[aria-label^="Figure"] img')].filter((image) => image.naturalWidth > 0).length === 3);
  await accessible(page, "figures");
  await pictures(page, "figures");
  for (const power of [2, 1, 3]) {
    await panel(app, name(power)).getByRole("button", { name: /^Close/ }).click();
    await app.shows("matplotlib_figures.py", `closed ${power}`);
  }
  await app.shows("matplotlib_figures.py", "The fourth, too.");
  await app.is(/^Finished/);
});

running("widgets work by pointer and by keyboard", "widgets.py", async (app, page) => {
  const controls = panel(app, "Controls");
  await controls.getByRole("switch", { name: "Light" }).click();
  await app.shows("widgets.py", "light on");
  await controls.getByRole("slider", { name: /Speed/ }).focus();
  await app.keyboard.press("ArrowRight");
  await app.shows("widgets.py", "speed 51");
  await controls.getByRole("slider", { name: /Speed/ }).fill("80");
  await app.shows("widgets.py", "speed 80");
  const horn = controls.getByRole("button", { name: "Horn" });
  await horn.hover();
  await page.mouse.down();
  await app.shows("widgets.py", "beep");
  await page.mouse.up();
  await app.shows("widgets.py", "quiet");
  const stick = await controls.getByRole("application", { name: /^Drive/ }).boundingBox();
  await page.mouse.move(stick.x + stick.width / 2, stick.y + stick.height / 2);
  await page.mouse.down();
  await page.mouse.move(stick.x + stick.width / 2, stick.y + 2, { steps: 4 });
  await app.shows("widgets.py", /motors: [78]\d [78]\d/);
  await accessible(page, "widgets");
  await pictures(page, "widgets");
  await page.mouse.up();
  await app.shows("widgets.py", /motors: 0 0\n/);
  await controls.getByText(/12\.\d|11\.\d/).first().waitFor();
  await controls.getByRole("button", { name: "Switch off" }).click();
  await app.shows("widgets.py", "switched off");
  await app.is(/^Finished/);
});

pageTest("example pages run a command, and a program with the client library", () => browser, async ({ open }) => {
  const page = await open(`${server.url}/examples/`);
  await accessible(page, "list of examples");
  await page.getByRole("link", { name: "A command in, its output back" }).click();
  await page.getByRole("textbox", { name: "Command" }).fill("echo it works");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("status", { name: "Output" }).filter({ hasText: "it works" }).waitFor();
  await accessible(page, "the smallest example");
  await pictures(page, "example-minimal");
  await page.getByRole("link", { name: "All examples" }).click();
  await page.getByRole("link", { name: "A program that one talks to" }).click();
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByLabel("Output").filter({ hasText: "Who is there?" }).waitFor();
  await page.getByRole("textbox", { name: "Input" }).fill("Ada");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByLabel("Output").filter({ hasText: "Hello, Ada!" }).waitFor();
  await page.getByRole("status").filter({ hasText: "ended with status 0" }).waitFor();
  await accessible(page, "the library's example");
  await pictures(page, "example-library");
});
