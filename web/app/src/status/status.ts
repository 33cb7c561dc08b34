/** How the connection and the device are. */

import { computed, effect, signal } from "@preact/signals";
import type { Device } from "further-link";
import { connection, link, runners } from "../link";
import { type Run, runs } from "../run/runs";
import { t } from "../text";
import { notify } from "../ui/notices";

/** What the device last said of itself; null as long as it has said nothing. */
export const device = signal<Device | null>(null);

/** Whether there was a connection since the page was opened. */
export const everConnected = signal(false);

/** Programs of earlier connections, which have nothing to do with the loss of this one. */
const earlier = signal<ReadonlySet<Run>>(new Set());

/** Whether programs were lost with the connection that is lost now. */
export const interrupted = computed(() =>
  runs.value.some((run) => run.state.value.kind === "lost" && !earlier.value.has(run)),
);

/** Connects, and stays so. */
export function follow(): void {
  let wasLost = false;
  effect(() => {
    const { kind } = connection.value;
    if (kind === "connected") {
      if (wasLost) notify(t(interrupted.peek() ? "back" : "backIdle"));
      wasLost = false;
      earlier.value = new Set(runs.peek().filter((run) => run.state.peek().kind === "lost"));
      everConnected.value = true;
      void link.runners().then(
        (all) => {
          runners.value = all;
        },
        () => {
          // It says so at the next connection; until then files are run by what the last one said.
        },
      );
    } else if (kind === "waiting") {
      wasLost = true;
    }
  });
  link.watchDevice((next) => {
    device.value = next;
  });
  link.connect();
}
