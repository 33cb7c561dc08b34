import { useEffect, useRef } from "preact/hooks";
import { language, t } from "../text";
import { Paced, type ShownWidget } from "./widgets";

interface Place {
  readonly x: number;
  readonly y: number;
}

const CENTRE_POSITION: Place = { x: 0, y: 0 };

const KEY_DIRECTIONS: Readonly<Record<string, Place>> = {
  ArrowUp: { x: 0, y: 1 },
  ArrowDown: { x: 0, y: -1 },
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
};

/**
 * Where a pointer puts the stick: from -1 to 1 each, to the right and up, and not out of the
 * circle.
 */
function placeOf(pointer: { readonly clientX: number; readonly clientY: number }, field: DOMRect): Place {
  const radius = Math.max(1, Math.min(field.width, field.height) / 2);
  const x = (pointer.clientX - (field.left + field.width / 2)) / radius;
  const y = (field.top + field.height / 2 - pointer.clientY) / radius;
  return within({ x, y });
}

/** Not out of the circle, and no finer than can be seen. */
function within({ x, y }: Place): Place {
  const far = Math.max(1, Math.hypot(x, y));
  return { x: round(x / far), y: round(y / far) };
}

const round = (value: number) => Math.round(value * 1000) / 1000;

/** A stick that goes back to the middle when it is let go. */
export function Joystick({ widget, enabled }: { readonly widget: ShownWidget; readonly enabled: boolean }) {
  const sent = useRef<Paced<Place>>();
  sent.current ??= new Paced((place) => widget.change({ ...place }, place));
  const paced = sent.current;
  /** The one finger that has it. */
  const pointer = useRef<number | null>(null);
  const keys = useRef(new Set<string>());

  const centre = () => {
    if (pointer.current === null && keys.current.size === 0 && !widget.held) return;
    pointer.current = null;
    keys.current.clear();
    paced.cancel();
    // At once: a robot has to stop.
    widget.change({ ...CENTRE_POSITION }, CENTRE_POSITION);
    widget.letGo();
  };
  useEffect(() => {
    const hidden = () => {
      if (document.visibilityState === "hidden") centre();
    };
    window.addEventListener("blur", centre);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      window.removeEventListener("blur", centre);
      document.removeEventListener("visibilitychange", hidden);
      centre();
    };
  }, [widget]);

  const move = (event: PointerEvent & { readonly currentTarget: HTMLElement }) =>
    paced.put(placeOf(event, event.currentTarget.getBoundingClientRect()));
  const byKeys = () => {
    if (keys.current.size === 0) return centre();
    let x = 0;
    let y = 0;
    for (const key of keys.current) {
      x += KEY_DIRECTIONS[key]?.x ?? 0;
      y += KEY_DIRECTIONS[key]?.y ?? 0;
    }
    paced.put(within({ x, y }));
  };
  const up = (event: PointerEvent) => {
    if (event.pointerId === pointer.current) centre();
  };

  const x = Math.max(-1, Math.min(1, widget.number("x", 0)));
  const y = Math.max(-1, Math.min(1, widget.number("y", 0)));
  const numbers = new Intl.NumberFormat(language.value, { maximumFractionDigits: 2 });
  return (
    <div class="channels-widget channels-joystick">
      <span>{widget.label}</span>
      {/* There is no role for a thing that moves in two directions: its name and its place are told as words. */}
      <div
        class="channels-joystick-field"
        role="application"
        aria-roledescription={t("joystickKind")}
        aria-label={`${widget.label}. ${t("joystickHint")}`}
        aria-disabled={!enabled}
        tabIndex={enabled ? 0 : -1}
        data-held={widget.held}
        onPointerDown={(event) => {
          if (!enabled || event.button !== 0 || pointer.current !== null) return;
          event.preventDefault();
          event.currentTarget.focus({ preventScroll: true });
          try {
            event.currentTarget.setPointerCapture(event.pointerId);
          } catch {
            return;
          }
          pointer.current = event.pointerId;
          widget.hold();
          move(event);
        }}
        onPointerMove={(event) => {
          if (event.pointerId === pointer.current) move(event);
        }}
        onPointerUp={up}
        onPointerCancel={up}
        onLostPointerCapture={up}
        onContextMenu={(event) => event.preventDefault()}
        onKeyDown={(event) => {
          if (!enabled || !(event.key in KEY_DIRECTIONS) || event.ctrlKey || event.altKey || event.metaKey) return;
          event.preventDefault();
          if (event.repeat) return;
          keys.current.add(event.key);
          widget.hold();
          byKeys();
        }}
        onKeyUp={(event) => {
          if (keys.current.delete(event.key)) byKeys();
        }}
        onBlur={() => keys.current.size > 0 && centre()}
      >
        <span
          class="channels-joystick-stick"
          ref={(stick) => {
            if (stick === null) return;
            stick.style.setProperty("--x", String(x));
            stick.style.setProperty("--y", String(-y));
          }}
        />
      </div>
      <output class="hint" aria-label={t("joystickPlace", { x: numbers.format(x), y: numbers.format(y) })}>
        {numbers.format(x)} · {numbers.format(y)}
      </output>
    </div>
  );
}
