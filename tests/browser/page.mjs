// The page as a person knows it: by what things are called, and what they are.

import assert from "node:assert/strict";

/**
 * Programs and shells may be slow to start on a busy small machine; see ACTION_TIMEOUT_MS in
 * browser.mjs for what is waited for.
 */
export class Page {
  constructor(page) {
    this.page = page;
    this.keyboard = page.keyboard;
    this.banner = page.getByRole("banner");
    this.files = page.getByRole("region", { name: "Files", exact: true });
    this.program = page.getByRole("region", { name: "Program", exact: true });
    this.output = page.getByRole("region", { name: "Output", exact: true });
    this.runButton = this.banner.getByRole("button", { name: /^Run( again)?$/ });
    this.stopButton = this.banner.getByRole("button", { name: "Stop", exact: true });
    this.device = page.getByRole("contentinfo", { name: "Device" });
    this.tree = this.files.getByRole("tree");
    this.dialog = page.getByRole("dialog");
  }

  /** There is a connection, so that something can be done. */
  async ready() {
    await this.page.getByRole("contentinfo").getByText(/^(Connected|Verbunden)$/).waitFor();
    return this;
  }

  // Files

  row(name) {
    return this.tree.getByRole("treeitem", { name, exact: true });
  }

  async openFile(name, path = name) {
    await this.row(name).click();
    await this.editor(path).waitFor();
  }

  /** Chooses from the menu of a file or folder. */
  async fromMenu(name, action) {
    await this.row(name).hover();
    await this.files.getByRole("button", { name: `What to do with ${name}`, exact: true }).click();
    await this.page.getByRole("menuitem", { name: action, exact: true }).click();
  }

  // The program

  editor(path) {
    return this.program.getByRole("textbox", { name: `Text of ${path}`, exact: true });
  }

  fileTab(name) {
    return this.program.getByRole("tab", { name: new RegExp(`^${escape(name)}`) });
  }

  /** Puts other text into a file, as a paste does. */
  async replaceText(name, text) {
    await this.editor(name).click();
    await this.keyboard.press("Control+A");
    await this.keyboard.insertText(text);
  }

  // Running

  async run() {
    await this.runButton.click();
  }

  runTab(title) {
    return this.output.getByRole("tab", { name: title });
  }

  /** The panel in front. */
  get panel() {
    return this.output.getByRole("tabpanel");
  }

  /** How the program in front is. */
  get state() {
    return this.panel.getByRole("status").first();
  }

  /** Waits until the program in front is so. */
  async is(words) {
    await this.state.filter({ hasText: words }).waitFor();
  }

  console(title) {
    return this.panel.getByRole("group", { name: `Output of ${title}`, exact: true });
  }

  input(title) {
    return this.panel.getByRole("textbox", { name: `Input for ${title}`, exact: true });
  }

  /** A button beside the output. */
  tool(name) {
    return this.panel.getByRole("toolbar").getByRole("button", { name, exact: true });
  }

  /** Waits until the console shows a text. */
  async shows(title, text) {
    await this.console(title).filter({ hasText: text }).first().waitFor();
  }

  async answer(title, line) {
    await this.input(title).fill(line);
    await this.input(title).press("Enter");
  }

  /** A new shell, and the terminal in which it is. */
  async shell() {
    await this.output.getByRole("button", { name: "New shell" }).click();
    return new Terminal(this.page, this.panel).ready();
  }

  notice(text) {
    return this.page.getByRole("status").getByText(text);
  }
}

/** A terminal: what is typed, and what is on its screen. */
export class Terminal {
  constructor(page, within) {
    this.page = page;
    this.within = within;
    this.input = within.getByRole("textbox").first();
    // A screen has no words of its own: each of its lines is an element in here.
    this.screen = within.locator(".xterm-rows");
  }

  async ready() {
    await this.screen.waitFor();
    return this;
  }

  /** Types as a person does, key by key. */
  async type(text, ...keys) {
    await this.page.keyboard.type(text);
    for (const key of keys) await this.page.keyboard.press(key);
  }

  async line(text) {
    await this.type(text, "Enter");
  }

  /** What is on the screen, line by line. */
  lines() {
    return this.screen.evaluate((screen) => [...screen.children].map((row) => row.textContent.trimEnd()));
  }

  /** Waits until one of the lines is so. */
  async shows(pattern) {
    await until(
      this.page,
      `the terminal does not show ${pattern}`,
      ([screen, source, flags]) => [...screen.children].some((row) => new RegExp(source, flags).test(row.textContent.trimEnd())),
      [await this.screen.elementHandle(), pattern.source, pattern.flags],
    );
  }
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/**
 * Waits until `condition`, a function of the page's world, is true; `words` is what is said if it
 * never is.
 */
export async function until(page, words, condition, argument) {
  try {
    await page.waitForFunction(condition, argument);
  } catch (error) {
    assert.fail(`${words}: ${error.message}`);
  }
}
