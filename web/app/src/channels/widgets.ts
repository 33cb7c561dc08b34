/** The widgets of a program: what is known of each. */

import { signal } from "@preact/signals";
import type { Widget } from "further-link";

/** Widgets that are shown; further ones are not. */
export const WIDGETS_SHOWN_MAX = 200;

/** Characters of a label or unit, as the package for Python has it. */
const LABEL_MAX_CHARS = 1000;

type SendWidget = (id: string, event: string, value?: unknown) => void;

/**
 * One widget. While a person moves it, what they do is shown; what the program has said meanwhile,
 * after that.
 */
export class ShownWidget {
  readonly id: string;
  readonly kind: string;
  readonly #send: SendWidget;
  readonly #data = signal<Readonly<Record<string, unknown>>>({});
  readonly #held = signal(false);
  #told: Readonly<Record<string, unknown>> = {};

  constructor(widget: Widget, send: SendWidget) {
    this.id = widget.id;
    this.kind = widget.kind;
    this.#send = send;
  }

  get label(): string {
    return this.text("label");
  }

  /** A person is moving it. */
  get held(): boolean {
    return this.#held.value;
  }

  text(key: string): string {
    const value = this.#data.value[key];
    return typeof value === "string" ? value.slice(0, LABEL_MAX_CHARS) : "";
  }

  /** A finite number; `otherwise` if it is none. */
  number<T>(key: string, otherwise: T): number | T {
    const value = this.#data.value[key];
    return typeof value === "number" && Number.isFinite(value) ? value : otherwise;
  }

  flag(key: string): boolean {
    return this.#data.value[key] === true;
  }

  /** What the program says: it replaces what was known. */
  tell(data: Readonly<Record<string, unknown>>): void {
    if (!this.#held.peek()) {
      this.#data.value = { ...this.#data.peek(), ...data };
      return;
    }
    this.#told = { ...this.#told, ...data };
    // What the person does not move is shown at once.
    const { value: _value, x: _x, y: _y, ...rest } = data;
    this.#data.value = { ...this.#data.peek(), ...rest };
  }

  /** The person has begun to move it. */
  hold(): void {
    this.#held.value = true;
  }

  /** The person has let go. */
  letGo(): void {
    if (!this.#held.peek()) return;
    this.#held.value = false;
    this.#data.value = { ...this.#data.peek(), ...this.#told };
    this.#told = {};
  }

  /** The person has changed it: shown and sent. */
  change(shown: Readonly<Record<string, unknown>>, value: unknown): void {
    // What the program said before it knew of this is out of date.
    this.#told = {};
    this.#data.value = { ...this.#data.peek(), ...shown };
    this.#send(this.id, "change", value);
  }

  event(name: "press" | "release"): void {
    this.#send(this.id, name);
  }
}

export class Widgets {
  readonly #send: SendWidget;
  readonly #shown = signal<readonly ShownWidget[]>([]);
  readonly #enabled = signal(true);

  constructor(send: SendWidget) {
    this.#send = (id, event, value) => {
      if (this.#enabled.peek()) send(id, event, value);
    };
  }

  get shown(): readonly ShownWidget[] {
    return this.#shown.value;
  }

  /** False as soon as the program is over. */
  get enabled(): boolean {
    return this.#enabled.value;
  }

  take(widget: Widget): void {
    const before = this.#shown.peek();
    let known = before.find((other) => other.id === widget.id);
    if (widget.removed) {
      if (known !== undefined) this.#shown.value = before.filter((other) => other !== known);
      return;
    }
    if (known === undefined) {
      if (before.length >= WIDGETS_SHOWN_MAX) return;
      known = new ShownWidget(widget, this.#send);
      known.tell(widget.data);
      this.#shown.value = [...before, known];
    } else {
      known.tell(widget.data);
    }
  }

  end(): void {
    this.#enabled.value = false;
    for (const widget of this.#shown.peek()) widget.letGo();
  }

  clear(): void {
    this.#shown.value = [];
  }
}

/** Calls `send` with the newest value, once a frame at most, and at once when `flush` is called. */
export class Paced<T> {
  readonly #send: (value: T) => void;
  #frame: number | null = null;
  #next: { readonly value: T } | null = null;

  constructor(send: (value: T) => void) {
    this.#send = send;
  }

  put(value: T): void {
    this.#next = { value };
    this.#frame ??= requestAnimationFrame(() => this.flush());
  }

  flush(): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.#send(next.value);
  }

  /** Forgets what was not sent. */
  cancel(): void {
    this.#next = null;
    this.flush();
  }
}
