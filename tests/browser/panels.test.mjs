// What programs ask for and show beside their text: keys, pictures, figures, curves, controls. Most
// of them are the examples.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before } from "node:test";
import { accessible } from "./axe.mjs";
import { launch, PHONE_VIEWPORT, pageTest, pictures, screenshot } from "./browser.mjs";
import { Page, until } from "./page.mjs";
import { program, Server } from "./server.mjs";

let browser;
let server;

/** Tells of each key that goes down or up. */
const PRESSES_PROGRAM = `
from threading import Event
from further_link import KeyboardButton

finished = Event()
for name in "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight", "a", " ":
    key = KeyboardButton(name)
    key.when_pressed = lambda name=name: print("down", repr(name))
    key.when_released = lambda name=name: print("up", repr(name))
quit = KeyboardButton("q")
quit.when_pressed = finished.set
print("ready")
finished.wait()
`;

/**
 * Two colours after each other, so that a picture can be told from the one before; and what is no
 * picture.
 */
const COLORS_PROGRAM = `
import sys
from further_link import send_image
from PIL import Image

for line in sys.stdin:
    colour, width, height = line.split()
    send_image(Image.new("RGB", (int(width), int(height)), colour))
    print("sent", colour)
`;

const PROJECT_FILES = {
  "presses.py": PRESSES_PROGRAM,
  "colours.py": COLORS_PROGRAM,
  ...Object.fromEntries(
    ["keys.py", "widgets.py", "live_plot.py", "matplotlib_figures.py", "matplotlib_interactive.py", "video_pil.py", "threads.py"]
      .map((name) => [name, program(`examples/${name}`)]),
  ),
};

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start({ files: PROJECT_FILES })]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Somebody who has started a program. */
function running(name, file, body, options = {}) {
  pageTest(name, () => browser, async ({ open }) => {
    const page = await open(server.url, options);
    const app = await new Page(page).ready();
    if (options.touch) await page.getByRole("navigation", { name: "Parts of the page" }).getByRole("button", { name: "Files" }).click();
    await app.openFile(file);
    await app.run();
    await body({ app, page, panels: app.panel.getByRole("region", { name: `Keys, pictures and windows of ${file}` }) });
  }, options);
}

/** The lines that a program has put out. */
async function lines(app, file) {
  return (await app.console(file).innerText()).split("\n").filter((line) => line !== "");
}

/** Fingers on the glass; each has a number. */
class Fingers {
  #down = new Map();

  constructor(session) {
    this.session = session;
  }

  static async of(page) {
    return new Fingers(await page.context().newCDPSession(page));
  }

  #tell(type, touchPoints) {
    return this.session.send("Input.dispatchTouchEvent", { type, touchPoints });
  }

  /** Where a finger would press it. */
  static async on(locator) {
    await locator.scrollIntoViewIfNeeded();
    const { x, y, width, height } = await locator.boundingBox();
    return { x: x + width / 2, y: y + height / 2 };
  }

  async down(id, place) {
    this.#down.set(id, { id, ...place });
    await this.#tell("touchStart", [...this.#down.values()]);
  }

  async move(id, place) {
    this.#down.set(id, { id, ...place });
    await this.#tell("touchMove", [...this.#down.values()]);
  }

  /** Lifts one finger; the others stay. */
  async up(id) {
    const point = this.#down.get(id);
    this.#down.delete(id);
    await this.#tell("touchEnd", [point]);
  }

  /** The browser takes them for something of its own. */
  async cancel() {
    this.#down.clear();
    await this.#tell("touchCancel", []);
  }
}

running("program sees keys go down and up by mouse and keyboard", "presses.py", async ({ app, page, panels }) => {
  await app.shows("presses.py", "ready");
  const keys = panels.getByRole("region", { name: "Keys", exact: true });
  const key = (name) => keys.getByRole("button", { name, exact: true });
  await key("Arrow up").hover();
  await page.mouse.down();
  await app.shows("presses.py", "down 'ArrowUp'");
  await keys.locator('[data-key="ArrowUp"][data-down="true"]').waitFor();
  await pictures(page, "keys");
  await page.mouse.up();
  await app.shows("presses.py", "up 'ArrowUp'");

  // The keyboard is the program's now. A key that is held repeats itself, and the program is not
  // told so.
  await page.keyboard.down("a");
  await page.keyboard.down("a");
  await page.keyboard.down("ArrowLeft");
  await app.shows("presses.py", "down 'ArrowLeft'");
  await page.keyboard.up("a");
  await page.keyboard.up("ArrowLeft");
  await app.shows("presses.py", "up 'ArrowLeft'");
  // With Caps Lock it is the same key.
  await page.keyboard.press("A");
  await page.keyboard.press(" ");
  await app.shows("presses.py", "up ' '");
  assert.deepEqual(await lines(app, "presses.py"), [
    "ready",
    "down 'ArrowUp'", "up 'ArrowUp'",
    "down 'a'", "down 'ArrowLeft'", "up 'a'", "up 'ArrowLeft'",
    "down 'a'", "up 'a'",
    "down ' '", "up ' '",
  ]);
  await accessible(page, "keys of a program");

  // Escape, which this program does not want, leaves; what is typed then is not the program's.
  await page.keyboard.press("Escape");
  await keys.getByText("Press a key here, or click here to use your keyboard.").waitFor();
  await page.keyboard.press("a");
  await keys.getByRole("button", { name: "Use the keyboard" }).click();
  await page.keyboard.press("q");
  await app.is(/^Finished/);
  assert.equal((await lines(app, "presses.py")).length, 11);
  await keys.getByText("The program is over and takes no keys.").waitFor();
  assert.equal(await key("Arrow up").isDisabled(), true);
  await accessible(page, "keys of a program that is over");
});

running("keys work at once after the program has started", "presses.py", async ({ app, page, panels }) => {
  await app.shows("presses.py", "ready");
  await panels.getByRole("region", { name: "Keys", exact: true }).getByText("Your keyboard goes to the program").waitFor();
  await page.keyboard.press("ArrowUp");
  await app.shows("presses.py", "up 'ArrowUp'");
});

running("keys are released when focus, window or tab changes", "presses.py", async ({ app, page, panels }) => {
  await app.shows("presses.py", "ready");
  const keys = panels.getByRole("region", { name: "Keys", exact: true });
  const use = () => keys.getByRole("button", { name: "Use the keyboard" }).click();
  const count = async (words) => (await lines(app, "presses.py")).filter((line) => line === words).length;
  const seen = async (words, times) => {
    await until(page, `“${words}” is seen ${times} times`, ([words, times]) => {
      const text = document.querySelector('[role="tabpanel"]:not([hidden]) [role="group"]')?.innerText ?? "";
      return text.split("\n").filter((line) => line === words).length === times;
    }, [words, times]);
  };

  await use();
  await page.keyboard.down("ArrowRight");
  await seen("down 'ArrowRight'", 1);
  await app.console("presses.py").focus();
  await seen("up 'ArrowRight'", 1);
  await page.keyboard.up("ArrowRight");

  await use();
  await page.keyboard.down("ArrowRight");
  await keys.getByRole("button", { name: "Arrow down", exact: true }).hover();
  await page.mouse.down();
  await seen("down 'ArrowDown'", 1);
  // Browsers under test are never left by their person, so they are told so.
  await page.evaluate(() => dispatchEvent(new Event("blur")));
  await seen("up 'ArrowRight'", 2);
  await seen("up 'ArrowDown'", 1);
  await page.mouse.up();
  await page.keyboard.up("ArrowRight");

  await use();
  await page.keyboard.down("a");
  await seen("down 'a'", 1);
  await app.shell();
  await app.runTab("presses.py").click();
  await seen("up 'a'", 1);
  await page.keyboard.up("a");
  for (const name of ["ArrowRight", "ArrowDown", "a"]) {
    assert.equal(await count(`down '${name}'`), await count(`up '${name}'`), name);
  }
});

running("example drives a robot by keys", "keys.py", async ({ app, page, panels }) => {
  await app.shows("keys.py", "Drive with the arrow keys");
  const keys = panels.getByRole("region", { name: "Keys", exact: true });
  await keys.getByRole("button", { name: "Use the keyboard" }).click();
  await keys.getByText("Your keyboard goes to the program. Shift+Esc leaves.").waitFor();
  await page.keyboard.down("ArrowUp");
  await app.shows("keys.py", "motors: left +1.0, right +1.0");
  await page.keyboard.up("ArrowUp");
  await app.shows("keys.py", "motors: left +0.0, right +0.0");
  await page.keyboard.press("Escape");
  await app.is(/^Finished/);
});

running("keys are held by several fingers, and released by one that slides off", "presses.py", async ({ app, page, panels }) => {
  await app.shows("presses.py", "ready");
  const keys = panels.getByRole("region", { name: "Keys", exact: true });
  const on = (name) => Fingers.on(keys.getByRole("button", { name, exact: true }));
  const [up, left, space] = [await on("Arrow up"), await on("Arrow left"), await on("Space")];
  await pictures(page, "keys-phone");
  await accessible(page, "keys on a phone");
  const fingers = await Fingers.of(page);
  await fingers.down(1, up);
  await app.shows("presses.py", "down 'ArrowUp'");
  await fingers.down(2, left);
  await app.shows("presses.py", "down 'ArrowLeft'");
  await fingers.down(3, space);
  await app.shows("presses.py", "down ' '");
  await screenshot(page, "keys-three-fingers");
  await fingers.up(2);
  await app.shows("presses.py", "up 'ArrowLeft'");
  // One has slid away when it is lifted; the browser takes the last for itself.
  await fingers.move(1, { x: up.x, y: up.y - 300 });
  await fingers.up(1);
  await app.shows("presses.py", "up 'ArrowUp'");
  await fingers.cancel();
  await app.shows("presses.py", "up ' '");
  const told = await lines(app, "presses.py");
  assert.deepEqual(told, [
    "ready",
    "down 'ArrowUp'", "down 'ArrowLeft'", "down ' '",
    "up 'ArrowLeft'", "up 'ArrowUp'", "up ' '",
  ]);
  assert.equal(await page.evaluate(() => getSelection().isCollapsed), true, "nothing is selected by a long press");
}, { touch: true, viewport: PHONE_VIEWPORT });

running("video draws each frame, whatever its size", "colours.py", async ({ app, page, panels }) => {
  const canvas = panels.getByRole("img", { name: "The newest picture that the program has sent" });
  const drawn = (colour, width, height) => until(page, `a ${colour} picture of ${width} × ${height}`, ([channel, width, height]) => {
    const canvas = document.querySelector('[role="tabpanel"]:not([hidden]) canvas[role="img"]');
    if (canvas?.width !== width || canvas.height !== height) return false;
    // A copy is asked: reading often from the canvas itself is what browsers warn of.
    const copy = new OffscreenCanvas(1, 1).getContext("2d");
    copy.drawImage(canvas, width >> 1, height >> 1, 1, 1, 0, 0, 1, 1);
    const pixel = copy.getImageData(0, 0, 1, 1).data;
    return pixel[channel] > 200 && pixel[(channel + 1) % 3] < 60 && pixel[(channel + 2) % 3] < 60;
  }, [["red", "lime", "blue"].indexOf(colour), width, height]);
  await app.answer("colours.py", "red 320 240");
  await drawn("red", 320, 240);
  await app.answer("colours.py", "blue 200 600");
  await drawn("blue", 200, 600);
  // Larger than a screen: it is drawn whole.
  await app.answer("colours.py", "lime 3000 1000");
  await drawn("lime", 3000, 1000);
  const { width } = await canvas.boundingBox();
  assert.ok(width < 1280, `it is ${width} pixels wide`);
  await pictures(page, "video");
  await accessible(page, "a video");
  const [download] = await Promise.all([page.waitForEvent("download"), panels.getByRole("button", { name: "Save Video" }).click()]);
  assert.match(download.suggestedFilename(), /^colours\.py-\d+\.jpg$/);
  assert.deepEqual([...readFileSync(await download.path()).subarray(0, 3)], [0xff, 0xd8, 0xff]);
  await panels.getByRole("button", { name: "Enlarge Video" }).click();
  await app.dialog.getByRole("img").waitFor();
  await screenshot(page, "video-large");
  await page.keyboard.press("Escape");
  await app.dialog.waitFor({ state: "detached" });
  await drawn("lime", 3000, 1000);
});

running("video example shows its ball and its text", "video_pil.py", async ({ app, panels }) => {
  await app.is(/^Finished/);
  await app.shows("video_pil.py", "The ball has come to rest.");
  await panels.getByText("320 × 240").waitFor();
});

running("figures are shown, enlarged, saved and closed, and the program is told", "matplotlib_figures.py", async ({ app, page, panels }) => {
  const figure = (number) => panels.getByRole("region", { name: `Figure ${number}: x to the power of ${number}`, exact: true });
  for (const number of [1, 2, 3]) {
    await figure(number).getByRole("img").waitFor();
    const { width, natural } = await figure(number).getByRole("img").evaluate(async (image) => {
      await image.decode();
      return { width: image.getBoundingClientRect().width, natural: image.naturalWidth };
    });
    assert.ok(natural > 100 && width > 100, `figure ${number} is ${width} of ${natural} pixels wide`);
  }
  await pictures(page, "figures");
  await accessible(page, "figures");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    figure(2).getByRole("button", { name: /^Save / }).click(),
  ]);
  assert.match(download.suggestedFilename(), /^Figure 2.*power of 2\.(png|svg)$/);
  const bytes = readFileSync(await download.path());
  assert.ok(bytes.subarray(1, 4).toString() === "PNG" || bytes.includes("<svg"), "it is a picture");
  await figure(1).getByRole("button", { name: /^Enlarge / }).click();
  await app.dialog.getByRole("img").waitFor();
  await pictures(page, "figure-large");
  await accessible(page, "a figure, enlarged");
  await app.dialog.getByRole("button", { name: "Close", exact: true }).last().click();
  await app.dialog.waitFor({ state: "detached" });
  for (const number of [2, 1, 3]) {
    await figure(number).getByRole("button", { name: /^Close/ }).click();
    await figure(number).waitFor({ state: "detached" });
    await app.shows("matplotlib_figures.py", `closed ${number}`);
  }
  await app.shows("matplotlib_figures.py", "All are closed.");
  await app.is(/^Finished/);
});

running("growing figure stays one figure", "matplotlib_interactive.py", async ({ app, panels }) => {
  const first = await panels.getByRole("img").first().getAttribute("src");
  await app.is(/^Finished/);
  await app.shows("matplotlib_interactive.py", "measured 81");
  const images = panels.getByRole("img");
  if ((await images.count()) > 0) {
    assert.equal(await images.count(), 1);
    assert.notEqual(await images.getAttribute("src"), first);
  }
});

running("curves are drawn while they grow, and saved as numbers and as an image", "live_plot.py", async ({ app, page, panels }) => {
  const plot = (name) => panels.getByRole("region", { name, exact: true });
  await plot("Temperature").getByRole("img", { name: /^Temperature: / }).waitFor();
  await plot("Position").getByRole("img", { name: /roll is .*pitch is / }).waitFor();
  await app.is(/^Finished/);
  await plot("Position").getByRole("img", { name: /roll is -0\.4575 at 99; pitch is -0\.8892 at 99/ }).waitFor();
  // There is something else than one colour on it.
  await until(page, "the curve is drawn", () => {
    const canvas = document.querySelector('[data-kind="plot"] canvas');
    if (canvas === null || canvas.width === 0) return false;
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let at = 0; at < data.length; at += 4) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    return colours.size > 3;
  });
  await pictures(page, "plots");
  await accessible(page, "plots");
  const save = async (name) => {
    const [download] = await Promise.all([page.waitForEvent("download"), plot("Position").getByRole("button", { name }).click()]);
    return [download.suggestedFilename(), readFileSync(await download.path())];
  };
  const [csvName, csv] = await save("Save the numbers of Position as a table");
  assert.equal(csvName, "Position.csv");
  const table = csv.toString().replace(/^\ufeff/, "").trim().split(/\r?\n/);
  assert.equal(table.length, 51, "a head, and the window of 50 points");
  assert.match(table[0], /roll.*pitch/);
  assert.equal(Number(table.at(-1).split(/[,;\t]/)[0]), 99);
  const [pngName, png] = await save("Save Position as a picture");
  assert.equal(pngName, "Position.png");
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  await plot("Position").getByRole("button", { name: "Enlarge Position" }).click();
  await app.dialog.getByRole("img", { name: /roll is / }).waitFor();
  await pictures(page, "plot-large");
  await page.keyboard.press("Escape");
  await app.dialog.waitFor({ state: "detached" });
  await plot("Position").getByRole("img").waitFor();
});

running("widgets send slider, switch, button and joystick, and show what the program sets", "widgets.py", async ({ app, page, panels }) => {
  const file = "widgets.py";
  const controls = panels.getByRole("region", { name: "Controls", exact: true });
  const slider = controls.getByRole("slider", { name: "Speed" });
  await slider.waitFor();
  assert.equal(await slider.inputValue(), "50");
  const battery = controls.locator("output", { hasText: "V" });
  assert.match(await battery.innerText(), /^12\.6 V$/);
  await pictures(page, "widgets");
  await accessible(page, "controls");

  await slider.focus();
  await page.keyboard.press("ArrowRight");
  await app.shows(file, "speed 51");
  await page.keyboard.press("End");
  await app.shows(file, "speed 100");

  const light = controls.getByRole("switch", { name: "Light" });
  await light.click();
  await app.shows(file, "light on");
  assert.equal(await light.getAttribute("aria-checked"), "true");
  await light.press(" ");
  await app.shows(file, "light off");

  await controls.getByRole("button", { name: "Horn" }).hover();
  await page.mouse.down();
  await app.shows(file, "beep");
  assert.ok(!(await lines(app, file)).includes("quiet"), "it is held");
  await page.mouse.up();
  await app.shows(file, "quiet");
  assert.deepEqual((await lines(app, file)).filter((line) => /beep|quiet/.test(line)), ["beep", "quiet"]);

  const stick = controls.getByRole("application", { name: /^Drive/ });
  const { x, y, width, height } = await stick.boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(x + width / 2, y - 40, { steps: 5 });
  await app.shows(file, "motors: 100 100");
  await screenshot(page, "widgets-joystick");
  // The program has put it on its display.
  await battery.filter({ hasText: /12\.5|12\.4|12\.3|12\.2|12\.1|12\.0|12 V|11\./ }).waitFor();
  await page.mouse.up();
  await app.shows(file, "motors: 0 0");
  await stick.focus();
  await page.keyboard.down("ArrowRight");
  await app.shows(file, "motors: 100 -100");
  await page.evaluate(() => dispatchEvent(new Event("blur")));
  await page.keyboard.up("ArrowRight");
  await until(page, "the robot stands again", () => {
    const text = document.querySelector('[role="tabpanel"]:not([hidden]) [role="group"]').innerText;
    return text.trimEnd().endsWith("motors: 0 0");
  });

  await controls.getByRole("button", { name: "Switch off" }).click();
  await app.is(/^Finished/);
  await app.shows(file, "switched off");
  await controls.waitFor({ state: "detached" });
});

running("joystick and button are used at once by touch", "widgets.py", async ({ app, page, panels }) => {
  const file = "widgets.py";
  const controls = panels.getByRole("region", { name: "Controls", exact: true });
  const horn = controls.getByRole("button", { name: "Horn" });
  await horn.waitFor();
  await accessible(page, "controls on a phone");
  const stick = controls.getByRole("application", { name: /^Drive/ });
  await stick.scrollIntoViewIfNeeded();
  await pictures(page, "widgets-phone");
  const fingers = await Fingers.of(page);
  const middle = await Fingers.on(stick);
  await fingers.down(1, middle);
  await fingers.move(1, { x: middle.x, y: middle.y - 20 });
  await fingers.move(1, { x: middle.x, y: middle.y - 200 });
  await app.shows(file, "motors: 50 50");
  const { x, y, width, height } = await horn.boundingBox();
  await fingers.down(2, { x: x + width / 2, y: y + height / 2 });
  await app.shows(file, "beep");
  await fingers.up(2);
  await app.shows(file, "quiet");
  await fingers.up(1);
  await app.shows(file, "motors: 0 0");
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= PHONE_VIEWPORT.width);
}, { touch: true, viewport: PHONE_VIEWPORT });

running("video and keys work from different threads", "threads.py", async ({ app, panels }) => {
  await panels.getByRole("img", { name: "The newest picture that the program has sent" }).waitFor();
  const keys = panels.getByRole("region", { name: "Keys", exact: true });
  await keys.waitFor();
  await app.stopButton.click();
  await app.is(/^Stopped/);
});
