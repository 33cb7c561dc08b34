// @ts-check
//
// The first page: a program, its output, a line of input. It owns nothing but what is on the screen
// and one WebSocket to `/run` (docs/protocol.md, section 2); what runs, runs on the device.

/** Every word that the page says by itself. */
const TEXT = {
  connecting: "Connecting…",
  connected: "Connected",
  lost: "Connection lost. Trying again…",
  unreachable: "No connection. Trying again…",
  lostWhileRunning: "The connection was lost",
  lostWhileRunningDetail: "The program was stopped with it. What it had printed until then is above.",
  ready: "Ready",
  starting: "Starting…",
  running: "Running",
  stopping: "Stopping…",
  finished: "Finished",
  notStarted: "Could not start",
  showsNoMore: "This page shows no pictures and sends no keys to programs yet",
  stoppedWithConnection: "Stopped with the connection",
  endedWith: (/** @type {number} */ status) => `Ended with status ${status}`,
  stoppedBy: (/** @type {number} */ signal) =>
    signal === 9 ? "Stopped: it did not end by itself and was killed" : "Stopped",
  crashedBy: (/** @type {number} */ signal) => `Crashed (signal ${signal})`,
  // The two that the protocol fixes say little to a person; others are sentences already.
  errors: new Map([
    ["Bad message", "That was not possible"],
    ["Message Exception", "That did not work on the device"],
  ]),
  stderrMarker: "Error output: ",
  outputEmpty: "What the program prints appears here.",
  outputNothing: "Nothing printed so far.",
  outputNothingAtAll: "The program printed nothing.",
  dropped: (/** @type {string} */ amount) => `Older output was dropped (${amount}); the last part is kept.`,
  inputLabel: "Input",
  commandLabel: "Command",
  inputIdle: "Nothing is running",
  inputStopping: "The program is being stopped",
  inputRunning: "Type a line",
  commandRunning: "Type a command",
  run: "Run",
  startShell: "Start shell",
  codeHint: "Ctrl+Enter runs it. Tab indents; press Esc, then Tab, to leave the editor.",
  liveHint: "A shell on this device: start it, then type commands below its output. It remembers the folder it is in. " +
    "It has no terminal: programs that want one, such as vim or a Python prompt, do not work here, and Stop ends them.",
  version: (/** @type {string} */ version) => `Further Link ${version}`,
};

const EXAMPLE_PYTHON = `import time

name = input("What is your name? ")

for count in range(3, 0, -1):
    print(count, "...")
    time.sleep(0.5)

print("Lift-off,", name + "!")
`;

const EXAMPLE_SHELL = `#!/bin/bash
echo "This is $HOSTNAME. Which folder shall I list?"
read -r folder
ls -l "\${folder:-/}"
`;

/** Text that is kept on the screen, in characters (about 1 MB): enough to scroll back in, and little
 *  enough that a program which prints for ever does not eat up the browser. */
const OUTPUT_LIMIT = 1_000_000;

/** Characters after which the next line begins a new block. Only the last block has to be laid out
 *  anew when text is added, so its size is what a frame costs. */
const BLOCK_SIZE = 8_000;

/** Characters after which even an unfinished line is cut, for programs that never print a newline. */
const BLOCK_LIMIT = 64_000;

/** Waits before the page connects again, in milliseconds: doubled from the first to the last. */
const RETRY_FIRST = 500;
const RETRY_LAST = 8_000;

/** Milliseconds between pings. A ping without any answer until the next one means that the device is
 *  gone without a word (power cut, out of radio range). */
const PING_INTERVAL = 10_000;

/** Lines of input that the arrow keys bring back. */
const HISTORY_LENGTH = 100;

/** Where drafts are kept, so that a reload loses no work. */
const DRAFT_KEY = "further-link.first";

/**
 * @typedef {"stdout" | "stderr" | "typed"} Kind
 * @typedef {"python" | "script" | "live"} Mode
 * @typedef {"idle" | "starting" | "running" | "stopping"} Phase
 * @typedef {{type?: unknown, process?: unknown, data?: Record<string, unknown> | null}} Message
 */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

const page = {
  connection: element("connection", HTMLParagraphElement),
  modes: element("modes", HTMLFieldSetElement),
  run: element("run", HTMLButtonElement),
  stop: element("stop", HTMLButtonElement),
  code: element("code", HTMLTextAreaElement),
  hint: element("hint", HTMLParagraphElement),
  state: element("state", HTMLParagraphElement),
  dropped: element("dropped", HTMLParagraphElement),
  output: element("output", HTMLDivElement),
  inputForm: element("input-form", HTMLFormElement),
  inputLabel: element("input-label", HTMLLabelElement),
  input: element("input", HTMLInputElement),
  send: element("send", HTMLButtonElement),
  version: element("version", HTMLParagraphElement),
};

/**
 * Writes a text into an element, unless it is there already: a screen reader would say it again.
 * @param {HTMLElement} target
 * @param {string} text
 */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** The output on the screen: bounded, and written once for each frame however much comes in. */
class Output {
  /** @type {{kind: Kind, text: string}[]} not yet on the screen */
  #pending = [];
  #pendingLength = 0;
  #frame = 0;

  /** @type {{node: HTMLElement, length: number}[]} on the screen, oldest first */
  #blocks = [];
  #length = 0;
  #dropped = 0;
  /** @type {{kind: Kind, text: Text} | null} where text of the same kind is added */
  #open = null;
  #lineFinished = true;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
  }

  get isEmpty() {
    return this.#blocks.length === 0 && this.#pending.length === 0;
  }

  clear() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#pending = [];
    this.#pendingLength = 0;
    this.#blocks = [];
    this.#length = 0;
    this.#dropped = 0;
    this.#open = null;
    this.#lineFinished = true;
    this.root.replaceChildren();
    page.dropped.hidden = true;
  }

  /**
   * @param {Kind} kind
   * @param {string} text
   */
  add(kind, text) {
    if (text === "") return;
    if (text.length > OUTPUT_LIMIT) {
      this.#dropped += text.length - OUTPUT_LIMIT;
      text = text.slice(-OUTPUT_LIMIT);
    }
    const last = this.#pending.at(-1);
    if (last?.kind === kind && last.text.length < BLOCK_LIMIT) last.text += text;
    else this.#pending.push({ kind, text });
    this.#pendingLength += text.length;
    // A page in the background draws no frames, so the waiting text needs the bound as well.
    while (this.#pendingLength - this.#pending[0].text.length >= OUTPUT_LIMIT) {
      const length = this.#pending.shift()?.text.length ?? 0;
      this.#pendingLength -= length;
      this.#dropped += length;
    }
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  /** Puts on the screen what waits for the next frame. */
  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#pending.length === 0) return;
    this.#keepingTheEnd(() => {
      for (const { kind, text } of this.#pending) this.#write(kind, text);
      this.#pending = [];
      this.#pendingLength = 0;
      this.#trim();
    });
  }

  /**
   * Words of the page itself, between what the program printed.
   * @param {string} message
   * @param {string} detail
   */
  note(message, detail) {
    this.flush();
    this.#keepingTheEnd(() => {
      const note = document.createElement("div");
      note.className = "note bad";
      for (const [tag, text] of [["strong", message], ["span", detail]]) {
        if (text === "") continue;
        const line = document.createElement(tag);
        line.textContent = text;
        note.append(line);
      }
      this.#blocks.push({ node: note, length: message.length + detail.length });
      this.#length += message.length + detail.length;
      this.root.append(note);
      // What follows begins a block of its own.
      this.#open = null;
      this.#lineFinished = true;
      this.#trim();
    });
  }

  /**
   * Scrolls along if the end was in view, and leaves somebody alone who reads further up.
   * @param {() => void} change
   */
  #keepingTheEnd(change) {
    const { root } = this;
    const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 24;
    change();
    if (atEnd) root.scrollTop = root.scrollHeight;
  }

  /**
   * @param {Kind} kind
   * @param {string} text
   */
  #write(kind, text) {
    let from = 0;
    while (from < text.length) {
      const block = this.#blockToWrite();
      let to = text.length;
      if (block.length + to - from > BLOCK_SIZE) {
        const room = Math.max(BLOCK_SIZE - block.length, 1);
        const newline = text.indexOf("\n", from + room - 1);
        to = Math.min(newline < 0 ? to : newline + 1, from + BLOCK_LIMIT - block.length);
        // Never between the two halves of a character outside of the basic plane.
        const code = text.charCodeAt(to - 1);
        if (code >= 0xd800 && code < 0xdc00 && to < text.length) to += 1;
      }
      this.#writeInto(block, kind, text.slice(from, to));
      from = to;
    }
  }

  /** @returns {{node: HTMLElement, length: number}} */
  #blockToWrite() {
    const last = this.#blocks.at(-1);
    const full = last === undefined || last.length >= BLOCK_LIMIT
      || (last.length >= BLOCK_SIZE && this.#lineFinished)
      || last.node.classList.contains("note");
    if (!full) return last;
    const block = { node: document.createElement("div"), length: 0 };
    this.#blocks.push(block);
    this.root.append(block.node);
    this.#open = null;
    return block;
  }

  /**
   * @param {{node: HTMLElement, length: number}} block
   * @param {Kind} kind
   * @param {string} text
   */
  #writeInto(block, kind, text) {
    if (this.#open?.kind === kind) {
      this.#open.text.appendData(text);
    } else {
      const span = document.createElement("span");
      span.className = kind;
      if (kind === "stderr") {
        const marker = document.createElement("span");
        marker.className = "unseen";
        marker.textContent = TEXT.stderrMarker;
        span.append(marker);
      }
      const node = document.createTextNode(text);
      span.append(node);
      block.node.append(span);
      this.#open = { kind, text: node };
    }
    block.length += text.length;
    this.#length += text.length;
    this.#lineFinished = text.endsWith("\n");
  }

  /** Drops whole blocks from the front: a line is kept or dropped, never halved. */
  #trim() {
    while (this.#length - this.#blocks[0].length >= OUTPUT_LIMIT) {
      const oldest = this.#blocks.shift();
      if (oldest === undefined) break;
      oldest.node.remove();
      this.#length -= oldest.length;
      this.#dropped += oldest.length;
    }
    if (this.#dropped === 0) return;
    const amount = this.#dropped < 1e6 ? `${Math.ceil(this.#dropped / 1e3)} kB` : `${(this.#dropped / 1e6).toFixed(1)} MB`;
    setText(page.dropped, TEXT.dropped(amount));
    page.dropped.hidden = false;
  }
}

/** The socket, and the will to have one. */
class Connection {
  /** @type {WebSocket | null} */
  #socket = null;
  #retryDelay = RETRY_FIRST;
  #retryTimer = 0;
  #unanswered = false;
  #everOpen = false;

  /**
   * @param {(message: Message) => void} onMessage
   * @param {() => void} onChange
   */
  constructor(onMessage, onChange) {
    this.onMessage = onMessage;
    this.onChange = onChange;
    /** @type {"connecting" | "open" | "lost"} */
    this.state = "connecting";
    setInterval(() => this.#ping(), PING_INTERVAL);
    // The browser noticed a network again: no need to wait for the timer.
    addEventListener("online", () => this.#socket === null && this.open());
  }

  get text() {
    if (this.state === "connecting") return TEXT.connecting;
    if (this.state === "open") return TEXT.connected;
    return this.#everOpen ? TEXT.lost : TEXT.unreachable;
  }

  open() {
    clearTimeout(this.#retryTimer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/run`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#retryDelay = RETRY_FIRST;
      this.#unanswered = false;
      this.#everOpen = true;
      this.state = "open";
      this.onChange();
    };
    socket.onmessage = (event) => {
      this.#unanswered = false;
      /** @type {Message} */
      let message;
      try {
        message = JSON.parse(event.data);
      } catch {
        return; // Not of this protocol; there is nothing to be shown of it.
      }
      this.onMessage(message);
    };
    socket.onclose = () => this.#lose();
  }

  /** @param {object} message */
  send(message) {
    if (this.state === "open") this.#socket?.send(JSON.stringify(message));
  }

  #ping() {
    if (this.state !== "open") return;
    if (this.#unanswered) {
      this.#lose();
      return;
    }
    this.#unanswered = true;
    this.send({ type: "ping" });
  }

  #lose() {
    if (this.#socket !== null) {
      // Closing a dead connection can take minutes; nothing that it says later counts.
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket.close();
      this.#socket = null;
    }
    this.state = "lost";
    this.#retryTimer = setTimeout(() => this.open(), this.#retryDelay);
    this.#retryDelay = Math.min(this.#retryDelay * 2, RETRY_LAST);
    this.onChange();
  }
}

const output = new Output(page.output);
const connection = new Connection(receive, connectionChanged);

/** @type {Mode} */
let mode = "python";
/** @type {{python: string, script: string}} */
const drafts = { python: EXAMPLE_PYTHON, script: EXAMPLE_SHELL };

/** @type {Phase} */
let phase = "idle";
/** The running program's name on the wire; a new one for each start. */
let processId = "";
/** Whether the server said `started`. */
let isStarted = false;
/** The person knows that this page does not show all that the program says. */
let isToldOfMore = false;
let starts = 0;
/** How the last program ended, in words. */
let ending = { text: TEXT.ready, bad: false };

/** @type {string[]} */
const typedLines = [];
let typedLinesAt = 0;

function start() {
  if (phase !== "idle" || connection.state !== "open") return;
  saveDrafts();
  output.clear();
  starts += 1;
  processId = `first-${starts}`;
  phase = "starting";
  isStarted = false;
  connection.send({ type: "start", process: processId, data: startData() });
  render();
  // On a phone the output is below the program, out of sight.
  page.inputForm.scrollIntoView({ block: "nearest" });
  if (mode === "live") page.input.focus();
}

function startData() {
  if (mode === "live") return { runner: "shell" };
  if (mode === "python") return { runner: "python3", code: page.code.value };
  // The first line says what executes the rest; without one it is for bash.
  const code = page.code.value;
  return { runner: "exec", code: code.startsWith("#!") ? code : `#!/bin/bash\n${code}` };
}

function stop() {
  if (phase !== "starting" && phase !== "running") return;
  phase = "stopping";
  connection.send({ type: "stop", process: processId });
  render();
}

function sendInput() {
  if (phase !== "running") return;
  const line = page.input.value;
  page.input.value = "";
  if (line !== "" && typedLines.at(-1) !== line) typedLines.push(line);
  if (typedLines.length > HISTORY_LENGTH) typedLines.shift();
  typedLinesAt = typedLines.length;
  // A program without a terminal does not echo what it reads.
  output.add("typed", `${line}\n`);
  connection.send({ type: "stdin", process: processId, data: { input: `${line}\n` } });
}

/** @param {Message} message */
function receive(message) {
  const ours = message.process === processId && phase !== "idle";
  const data = message.data ?? {};
  switch (message.type) {
    case "started":
      if (!ours) return;
      isStarted = true;
      isToldOfMore = false;
      if (phase === "starting") phase = "running";
      break;
    case "stdout":
    case "stderr":
      if (ours && typeof data.output === "string") output.add(message.type, data.output);
      return; // Nothing else on the page changes, and it comes often.
    case "video":
    case "keylisten":
      // Once for each program; there is more of it, and often.
      if (ours && !isToldOfMore) output.note(TEXT.showsNoMore, "");
      isToldOfMore ||= ours;
      return;
    case "stopped":
      if (ours) end(describeExit(Number(data.exitCode)));
      break;
    case "error": {
      // An answer to something that was sent just before the program ended is of no interest.
      if (typeof message.process === "string" && !ours) return;
      const text = typeof data.message === "string" ? data.message : "";
      const detail = typeof data.detail === "string" ? data.detail : "";
      output.note(TEXT.errors.get(text) ?? text, detail);
      // An error before `started` is the answer to the start.
      if (ours && !isStarted) end({ text: TEXT.notStarted, bad: true });
      break;
    }
  }
  render();
}

/** @param {{text: string, bad: boolean}} how */
function end(how) {
  output.flush();
  phase = "idle";
  ending = how;
}

/**
 * @param {number} exitCode as on the wire: negative for a signal
 * @returns {{text: string, bad: boolean}}
 */
function describeExit(exitCode) {
  if (exitCode === 0) return { text: TEXT.finished, bad: false };
  if (exitCode > 0) return { text: TEXT.endedWith(exitCode), bad: true };
  const signal = -exitCode;
  // Interrupt, kill and terminate come from somebody who wants the program to end; others from a fault in it.
  const meant = signal === 2 || signal === 9 || signal === 15;
  return meant ? { text: TEXT.stoppedBy(signal), bad: false } : { text: TEXT.crashedBy(signal), bad: true };
}

function connectionChanged() {
  if (connection.state === "lost" && phase !== "idle") {
    end({ text: TEXT.stoppedWithConnection, bad: true });
    output.note(TEXT.lostWhileRunning, TEXT.lostWhileRunningDetail);
  }
  // Asked each time, because a device that comes back may have been updated.
  if (connection.state === "open") void showVersion();
  render();
}

async function showVersion() {
  try {
    const answer = await fetch("/version", { cache: "no-store" });
    const version = answer.ok ? (await answer.json()).version : undefined;
    if (typeof version === "string") setText(page.version, TEXT.version(version));
  } catch {
    // The connection's state says already that something is wrong.
  }
}

/** Brings everything but the output in line with the state above. */
function render() {
  const live = mode === "live";
  const idle = phase === "idle";
  const running = phase === "running";
  const focused = document.activeElement;

  document.body.dataset.mode = mode;
  page.connection.dataset.state = connection.state;
  setText(page.connection, connection.text);

  page.state.dataset.state = idle && ending.bad ? "failed" : phase;
  setText(page.state, phase === "idle" ? ending.text : TEXT[phase]);

  page.modes.disabled = !idle;
  page.run.disabled = !idle || connection.state !== "open";
  page.stop.disabled = phase !== "starting" && !running;
  page.send.disabled = !running;
  // Not `disabled`: the keyboard focus would be lost each time that a program ends.
  page.input.readOnly = !running;
  page.input.placeholder = phase === "stopping" ? TEXT.inputStopping : !running ? TEXT.inputIdle : live ? TEXT.commandRunning : TEXT.inputRunning;
  setText(page.inputLabel, live ? TEXT.commandLabel : TEXT.inputLabel);

  setText(page.run, live ? TEXT.startShell : TEXT.run);
  setText(page.hint, live ? TEXT.liveHint : TEXT.codeHint);
  page.code.hidden = live;
  page.output.dataset.empty = !idle
    ? TEXT.outputNothing
    : starts > 0 ? TEXT.outputNothingAtAll : TEXT.outputEmpty;

  // A button that had the focus and can no longer be used hands it on to its counterpart.
  if (focused !== null && focused.matches(":disabled")) (page.stop.disabled ? page.run : page.stop).focus();
}

/** @param {Mode} next */
function setMode(next) {
  saveDrafts();
  mode = next;
  if (mode !== "live") page.code.value = drafts[mode];
  for (const radio of page.modes.querySelectorAll("input")) radio.checked = radio.value === mode;
  render();
}

function saveDrafts() {
  if (mode !== "live") drafts[mode] = page.code.value;
  try {
    localStorage.setItem(DRAFT_KEY, JSON.stringify({ mode, ...drafts }));
  } catch {
    // No storage (private window, or full): then a reload shows the examples again.
  }
}

function loadDrafts() {
  try {
    const saved = JSON.parse(localStorage.getItem(DRAFT_KEY) ?? "{}");
    if (typeof saved.python === "string") drafts.python = saved.python;
    if (typeof saved.script === "string") drafts.script = saved.script;
    if (saved.mode === "script" || saved.mode === "live") mode = saved.mode;
  } catch {
    // As above.
  }
  if (mode !== "live") page.code.value = drafts[mode];
}

/**
 * Replaces the selection as typing would, so that Ctrl+Z takes it back.
 * @param {string} text
 */
function typeIntoCode(text) {
  // Deprecated, but nothing else keeps the history of changes; where it is gone, the text still comes.
  if (document.execCommand("insertText", false, text)) return;
  page.code.setRangeText(text, page.code.selectionStart, page.code.selectionEnd, "end");
}

/** After Esc, Tab moves the focus once instead of indenting, so that nobody is caught in the editor. */
let tabLeaves = false;

page.code.addEventListener("keydown", (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey && !event.isComposing;
  if (event.key === "Tab" && plain && !tabLeaves) {
    event.preventDefault();
    typeIntoCode("    ");
  } else if (event.key === "Enter" && plain) {
    event.preventDefault();
    const before = page.code.value.slice(0, page.code.selectionStart);
    const line = before.slice(before.lastIndexOf("\n") + 1);
    const indent = /^[ \t]*/.exec(line)?.[0] ?? "";
    const deeper = mode === "python" && line.trimEnd().endsWith(":") ? "    " : "";
    typeIntoCode(`\n${indent}${deeper}`);
  }
  tabLeaves = event.key === "Escape";
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  start();
});

page.input.addEventListener("keydown", (event) => {
  const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
  if (step === 0 || typedLines.length === 0) return;
  event.preventDefault();
  typedLinesAt = Math.max(0, Math.min(typedLines.length, typedLinesAt + step));
  page.input.value = typedLines[typedLinesAt] ?? "";
});

page.inputForm.addEventListener("submit", (event) => {
  event.preventDefault();
  sendInput();
});

page.modes.addEventListener("change", () => {
  const checked = page.modes.querySelector("input:checked");
  const value = checked instanceof HTMLInputElement ? checked.value : "";
  if (value === "python" || value === "script" || value === "live") setMode(value);
});

page.run.addEventListener("click", start);
page.stop.addEventListener("click", stop);
addEventListener("pagehide", saveDrafts);

loadDrafts();
setMode(mode);
connection.open();
