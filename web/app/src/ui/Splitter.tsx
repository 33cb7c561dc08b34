import { useRef } from "preact/hooks";
import "./splitter.css";

interface SplitterProps {
  readonly label: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly usual: number;
  /** By how much an arrow key moves it. */
  readonly step: number;
  /** It lies between parts one above the other. */
  readonly horizontal?: boolean;
  /** How many of the value's units a pixel is. */
  readonly scale: () => number;
  readonly onChange: (value: number) => void;
}

/** The line between two parts, moved by pointer or arrow keys; a double press puts it back.
 * (WAI-ARIA Authoring Practices, window splitter) */
export function Splitter(props: SplitterProps) {
  const { label, value, least, most, usual, step, horizontal = false, scale, onChange } = props;
  const from = useRef<{ at: number; value: number } | null>(null);
  const change = (next: number) => onChange(Math.min(most, Math.max(least, next)));
  return (
    <div
      role="separator"
      tabIndex={0}
      class="splitter"
      data-horizontal={horizontal}
      aria-label={label}
      aria-orientation={horizontal ? "horizontal" : "vertical"}
      aria-valuenow={Math.round(value)}
      aria-valuemin={least}
      aria-valuemax={most}
      onDblClick={() => change(usual)}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = { at: horizontal ? event.clientY : event.clientX, value };
      }}
      onPointerMove={(event) => {
        if (from.current === null) return;
        const moved = (horizontal ? event.clientY : event.clientX) - from.current.at;
        change(from.current.value + moved * scale());
      }}
      onLostPointerCapture={() => {
        from.current = null;
      }}
      onKeyDown={(event) => {
        const less = horizontal ? "ArrowUp" : "ArrowLeft";
        const more = horizontal ? "ArrowDown" : "ArrowRight";
        if (event.key === less) change(value - step);
        else if (event.key === more) change(value + step);
        else if (event.key === "Home") change(least);
        else if (event.key === "End") change(most);
        else if (event.key === "Enter") change(usual);
        else return;
        event.preventDefault();
      }}
    />
  );
}
