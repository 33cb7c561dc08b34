import type { Run } from "../run/runs";
import { t } from "../text";
import type { Panel } from "./channels";
import { FigurePanel } from "./FigurePanel";
import { KeysPanel } from "./KeysPanel";
import { PlotPanel } from "./PlotPanel";
import { VideoPanel } from "./VideoPanel";
import { WidgetsPanel } from "./WidgetsPanel";
import { WindowPanel } from "./WindowPanel";
import "./channels.css";

/** What a program shows and asks for, in the order in which it began with it. Nothing as long as there is nothing. */
export function ChannelsPane({ run }: { readonly run: Run; readonly active: boolean }) {
  const { channels } = run;
  if (!channels.any.value) return null;
  return (
    <section class="channels" aria-label={t("panels", { title: run.title })}>
      {channels.order.value.map((panel) => (
        <OnePanel key={panel} panel={panel} run={run} />
      ))}
    </section>
  );
}

function OnePanel({ panel, run }: { readonly panel: Panel; readonly run: Run }) {
  const { channels } = run;
  if (panel === "keys") return <KeysPanel keys={channels.keys} />;
  if (panel === "video") return <VideoPanel video={channels.video} name={run.title} />;
  if (panel === "widgets") return <WidgetsPanel widgets={channels.widgets} />;
  if (panel === "windows") return <WindowPanel pages={channels.windows.value} />;
  if (panel.startsWith("figure:")) {
    const id = panel.slice("figure:".length);
    const figure = channels.figures.shown.find((shown) => shown.id === id);
    return figure === undefined ? null : <FigurePanel figure={figure} onClose={() => channels.closeFigure(id)} />;
  }
  const name = panel.slice("plot:".length);
  const data = channels.plots.shown.find((plot) => plot.name === name);
  return data === undefined ? null : <PlotPanel data={data} />;
}
