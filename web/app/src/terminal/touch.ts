/** Scrolling a terminal with a finger, which xterm does not do by itself. */

import type { Terminal } from "@xterm/xterm";

/** Pixels that a finger moves before it counts as scrolling and not as a tap. */
const SCROLL_THRESHOLD_PX = 8;

/** What is left of the speed after each frame, once the finger is up. */
const SCROLL_FRICTION = 0.94;

/** Lines per frame below which it stands still. */
const SCROLL_MIN_SPEED = 0.05;

export class TouchScroll {
  readonly #terminal: Terminal;
  readonly #element: HTMLElement;
  readonly #send: (sequence: string) => void;
  readonly #stop = new AbortController();
  #finger: number | null = null;
  #startY = 0;
  #lastY = 0;
  #lastTime = 0;
  #moving = false;
  /** Lines that are not whole yet. */
  #rest = 0;
  /** Lines per frame. */
  #speed = 0;
  #frame: number | null = null;

  constructor(terminal: Terminal, element: HTMLElement, send: (sequence: string) => void) {
    this.#terminal = terminal;
    this.#element = element;
    this.#send = send;
    const options = { signal: this.#stop.signal };
    element.addEventListener("touchstart", (event) => this.#start(event), { ...options, passive: true });
    element.addEventListener("touchmove", (event) => this.#move(event), { ...options, passive: false });
    element.addEventListener("touchend", () => this.#end(), options);
    element.addEventListener("touchcancel", () => this.#end(), options);
  }

  dispose(): void {
    this.#stop.abort();
    this.#still();
  }

  #start(event: TouchEvent): void {
    this.#still();
    const touch = event.touches[0];
    // Two fingers enlarge the page.
    this.#finger = event.touches.length === 1 && touch !== undefined ? touch.identifier : null;
    this.#startY = touch?.clientY ?? 0;
    this.#lastY = this.#startY;
    this.#lastTime = event.timeStamp;
    this.#moving = false;
    this.#rest = 0;
  }

  #move(event: TouchEvent): void {
    const touch = [...event.touches].find((other) => other.identifier === this.#finger);
    if (touch === undefined || event.touches.length !== 1) return;
    if (!this.#moving && Math.abs(touch.clientY - this.#startY) < SCROLL_THRESHOLD_PX) return;
    this.#moving = true;
    // It is the terminal that scrolls, and not the page around it.
    if (event.cancelable) event.preventDefault();
    const lines = (this.#lastY - touch.clientY) / this.#lineHeight();
    const frames = Math.max(1, (event.timeStamp - this.#lastTime) / 16);
    this.#speed = lines / frames;
    this.#lastY = touch.clientY;
    this.#lastTime = event.timeStamp;
    this.#scroll(lines);
  }

  #end(): void {
    this.#finger = null;
    if (!this.#moving || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const glide = () => {
      this.#speed *= SCROLL_FRICTION;
      if (Math.abs(this.#speed) < SCROLL_MIN_SPEED) return this.#still();
      this.#scroll(this.#speed);
      this.#frame = requestAnimationFrame(glide);
    };
    this.#frame = requestAnimationFrame(glide);
  }

  #still(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
    this.#speed = 0;
  }

  #scroll(lines: number): void {
    this.#rest += lines;
    const whole = Math.trunc(this.#rest);
    if (whole === 0) return;
    this.#rest -= whole;
    // Programs that fill the screen, such as less and vim, have nothing to scroll back to: they get
    // arrows, as from a wheel.
    if (this.#terminal.buffer.active.type === "alternate") {
      const arrow = `\x1b${this.#terminal.modes.applicationCursorKeysMode ? "O" : "["}${whole < 0 ? "A" : "B"}`;
      this.#send(arrow.repeat(Math.min(Math.abs(whole), this.#terminal.rows)));
    } else {
      this.#terminal.scrollLines(whole);
    }
  }

  #lineHeight(): number {
    return Math.max(8, this.#element.clientHeight / Math.max(1, this.#terminal.rows));
  }
}
