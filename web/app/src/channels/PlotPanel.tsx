import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { language, t } from "../text";
import { download } from "../ui/download";
import { SaveIcon } from "../ui/icons";
import { useVisible } from "../ui/visible";
import { Card } from "./Card";
import type { Chart } from "./chart";
import { TableIcon } from "./icons";
import type { PlotData } from "./plots";

/** Curves whose newest points are told in words. */
const DESCRIBED_CURVES_MAX = 6;

export function PlotPanel({ data }: { readonly data: PlotData }) {
  const chart = useRef<Chart | null>(null);
  const name = data.name.trim() === "" ? t("plotTitle") : data.name;
  const file = name.replace(/[^\p{L}\p{N} ._-]+/gu, "_").slice(0, 100);
  return (
    <Card
      kind="plot"
      title={name}
      body={(large) => <Drawing key={large} data={data} chart={chart} name={name} />}
      actions={
        <>
          <button
            type="button"
            class="icon-button"
            aria-label={t("plotPng", { name })}
            title={t("plotPng", { name })}
            onClick={async () => {
              const picture = await chart.current?.picture(name);
              if (picture) download(`${file}.png`, picture);
            }}
          >
            <SaveIcon />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label={t("plotCsv", { name })}
            title={t("plotCsv", { name })}
            onClick={() => download(`${file}.csv`, new Blob([data.csv()], { type: "text/csv;charset=utf-8" }))}
          >
            <TableIcon />
          </button>
        </>
      }
    />
  );
}

interface DrawingProps {
  readonly data: PlotData;
  readonly chart: { current: Chart | null };
  readonly name: string;
}

function Drawing({ data, chart, name }: DrawingProps) {
  const place = useRef<HTMLDivElement>(null);
  const visible = useVisible(place);
  const state = useSignal<"loading" | "there" | "failed">("loading");
  const seen = visible.value;
  const there = state.value === "there";

  useEffect(() => {
    const parent = place.current;
    if (parent === null) return;
    let mine: Chart | null = null;
    let gone = false;
    import("./chart").then(
      (module) => {
        if (gone) return;
        mine = new module.Chart(parent, data);
        chart.current = mine;
        state.value = "there";
      },
      () => {
        state.value = "failed";
      },
    );
    const observer = new ResizeObserver(() => mine?.resize());
    observer.observe(parent);
    return () => {
      gone = true;
      observer.disconnect();
      mine?.dispose();
      if (chart.current === mine) chart.current = null;
    };
  }, [data]);

  // Points may come a thousand times a second; a screen shows sixty.
  const version = data.version;
  const frame = useRef<number | null>(null);
  useEffect(() => {
    if (!there || !seen || frame.current !== null) return;
    frame.current = requestAnimationFrame(() => {
      frame.current = null;
      chart.current?.draw();
    });
  }, [version, there, seen]);
  useEffect(
    () => () => {
      if (frame.current !== null) cancelAnimationFrame(frame.current);
    },
    [],
  );

  return (
    <>
      {state.value !== "there" && (
        <p class={state.value === "failed" ? "bad-text" : "hint"}>
          {t(state.value === "failed" ? "plotFailed" : "plotLoading")}
        </p>
      )}
      <div ref={place} class="channels-plot" role="img" aria-label={describe(data, name)} />
    </>
  );
}

/** The newest point of each curve in words, for those who do not see them. */
function describe(data: PlotData, name: string): string {
  const numbers = new Intl.NumberFormat(language.value, { maximumSignificantDigits: 4 });
  const curves = [...data.curves.values()].slice(0, DESCRIBED_CURVES_MAX).map((curve) => {
    const x = curve.x.at(-1);
    const y = curve.y.at(-1);
    if (x === undefined || y === undefined || y === null) return `${curve.name}: ${t("plotEmpty")}`;
    return t("plotCurve", { name: curve.name, value: numbers.format(y), x: numbers.format(x) });
  });
  return t("plotDescription", { name, curves: curves.join("; ") });
}
