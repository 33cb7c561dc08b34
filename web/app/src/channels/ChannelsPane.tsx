import type { Run } from "../run/runs";
import { t } from "../text";
import type { Panel } from "./channels";
import "./channels.css";

/**
 * What a program shows and asks for, in the order in which it began with it. Nothing as long as
 * there is nothing.
 */
export function ChannelsPane({ run }: { readonly run: Run; readonly active: boolean }) {
  const { channels } = run;
  if (!channels.any.value) return null;
  return (
    <section class="channels" aria-label={t("panels", { title: run.title })}>
      {channels.order.value.map((panel) => (
        <ChannelPanel key={panel} panel={panel} run={run} />
      ))}
    </section>
  );
}

function ChannelPanel({ panel, run }: { readonly panel: Panel; readonly run: Run }) {
  return <>{run.channels.render(panel, run.title)}</>;
}
