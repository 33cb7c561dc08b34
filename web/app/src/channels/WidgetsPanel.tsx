import { useEffect, useId, useRef } from "preact/hooks";
import { language, t } from "../text";
import { Joystick } from "./Joystick";
import { Paced, type ShownWidget, type Widgets } from "./widgets";

/** The buttons, sliders and the like of a program. */
export function WidgetsPanel({ widgets }: { readonly widgets: Widgets }) {
  const { enabled } = widgets;
  return (
    <section class="channels-card" data-kind="widgets" aria-label={t("widgetsTitle")}>
      <header class="channels-card-head">
        <h2>{t("widgetsTitle")}</h2>
      </header>
      <div class="channels-widgets">
        {widgets.shown.map((widget) => (
          <OneWidget key={widget.id} widget={widget} enabled={enabled} />
        ))}
      </div>
      {!enabled && <p class="hint channels-widgets-over">{t("widgetsOver")}</p>}
    </section>
  );
}

interface WidgetProps {
  readonly widget: ShownWidget;
  readonly enabled: boolean;
}

function OneWidget({ widget, enabled }: WidgetProps) {
  switch (widget.kind) {
    case "button":
      return <PushButton widget={widget} enabled={enabled} />;
    case "slider":
      return <Slider widget={widget} enabled={enabled} />;
    case "switch":
      return <Switch widget={widget} enabled={enabled} />;
    case "number":
      return <Readout widget={widget} />;
    case "joystick":
      return <Joystick widget={widget} enabled={enabled} />;
    default:
      return (
        <p class="hint channels-widget-wide">
          {t("widgetUnknown", { label: widget.label, kind: widget.kind.slice(0, 40) })}
        </p>
      );
  }
}

/** Milliseconds for which a button is down that is pressed by something that cannot hold it. */
const TAP_DURATION_MS = 120;

/** Down as long as something holds it: a pointer, Space or Enter. */
function PushButton({ widget, enabled }: WidgetProps) {
  const holders = useRef(new Set<string>());
  const press = (holder: string) => {
    const held = holders.current;
    if (!enabled || held.has(holder)) return;
    held.add(holder);
    if (held.size > 1) return;
    widget.hold();
    widget.event("press");
  };
  const release = (holder: string) => {
    const held = holders.current;
    if (!held.delete(holder) || held.size > 0) return;
    widget.letGo();
    widget.event("release");
  };
  const releaseAll = () => {
    for (const holder of [...holders.current]) release(holder);
  };
  useEffect(() => {
    const hidden = () => {
      if (document.visibilityState === "hidden") releaseAll();
    };
    window.addEventListener("blur", releaseAll);
    document.addEventListener("visibilitychange", hidden);
    return () => {
      window.removeEventListener("blur", releaseAll);
      document.removeEventListener("visibilitychange", hidden);
      releaseAll();
    };
  }, [widget]);
  const up = (event: PointerEvent) => release(`pointer:${event.pointerId}`);
  const isPush = (event: KeyboardEvent) => event.key === " " || event.key === "Enter";
  return (
    <button
      type="button"
      class="channels-push"
      data-down={widget.held}
      disabled={!enabled}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        try {
          event.currentTarget.setPointerCapture(event.pointerId);
        } catch {
          // The pointer is up already.
        }
        press(`pointer:${event.pointerId}`);
      }}
      onPointerUp={up}
      onPointerCancel={up}
      onLostPointerCapture={up}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        if (!isPush(event)) return;
        event.preventDefault();
        if (!event.repeat) press(`key:${event.key}`);
      }}
      onKeyUp={(event) => {
        if (!isPush(event)) return;
        // Firefox makes a click of Space only now: that would be a second press.
        event.preventDefault();
        release(`key:${event.key}`);
      }}
      onBlur={releaseAll}
      onClick={(event) => {
        if (event.detail !== 0) return;
        press("tap");
        setTimeout(() => release("tap"), TAP_DURATION_MS);
      }}
    >
      {widget.label}
    </button>
  );
}

/** Keys that move a slider as long as they are down. */
const SLIDER_KEYS = /^(Arrow|Page|Home$|End$)/;

function Slider({ widget, enabled }: WidgetProps) {
  const sent = useRef<Paced<number>>();
  sent.current ??= new Paced((value) => widget.change({ value }, value));
  const paced = sent.current;
  useEffect(
    () => () => {
      paced.flush();
      widget.letGo();
    },
    [widget],
  );
  const id = useId();
  const minimum = widget.number("minimum", 0);
  const maximum = Math.max(minimum, widget.number("maximum", 100));
  const step = widget.number("step", 1);
  const value = widget.number("value", minimum);
  const letGo = () => {
    paced.flush();
    widget.letGo();
  };
  return (
    <div class="channels-widget channels-widget-wide">
      <span class="channels-widget-head">
        <label for={id}>{widget.label}</label>
        <output for={id}>{format(value)}</output>
      </span>
      <input
        id={id}
        type="range"
        min={minimum}
        max={maximum}
        step={step > 0 ? step : "any"}
        value={value}
        disabled={!enabled}
        onPointerDown={() => widget.hold()}
        onPointerUp={letGo}
        onPointerCancel={letGo}
        onLostPointerCapture={letGo}
        onKeyDown={(event) => SLIDER_KEYS.test(event.key) && widget.hold()}
        onKeyUp={letGo}
        onBlur={letGo}
        onChange={letGo}
        onInput={(event) => paced.put(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}

function Switch({ widget, enabled }: WidgetProps) {
  const on = widget.flag("value");
  return (
    <button
      type="button"
      class="channels-switch"
      role="switch"
      aria-checked={on}
      disabled={!enabled}
      onClick={() => widget.change({ value: !on }, !on)}
    >
      <span class="channels-switch-label">{widget.label}</span>
      <span class="channels-switch-track" aria-hidden="true" />
      <span class="channels-switch-word" aria-hidden="true">
        {t(on ? "widgetOn" : "widgetOff")}
      </span>
    </button>
  );
}

function Readout({ widget }: { readonly widget: ShownWidget }) {
  const value = widget.number("value", null);
  return (
    <div class="channels-widget channels-readout">
      <span>{widget.label}</span>
      <output aria-label={widget.label}>
        <strong>{value === null ? "–" : format(value)}</strong> {widget.text("unit")}
        {value === null && <span class="unseen">{t("widgetNone")}</span>}
      </output>
    </div>
  );
}

/** Digits of a number: what a sensor gives is not known better than that. */
const SIGNIFICANT_DIGITS = 6;

function format(value: number): string {
  const size = Math.abs(value);
  const extreme = size !== 0 && (size >= 1e9 || size < 1e-4);
  return new Intl.NumberFormat(language.value, {
    maximumSignificantDigits: size >= 1e5 && !extreme ? 9 : SIGNIFICANT_DIGITS,
    notation: extreme ? "scientific" : "standard",
  }).format(value);
}
