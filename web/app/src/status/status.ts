/** How the connection and the device are. */

import { effect, signal } from "@preact/signals";
import type { Device } from "further-link";
import { connection, link, runners } from "../link";
import { isOver, runs } from "../run/runs";
import { notify } from "../shell/notices";
import { t } from "../text";

/** What the device last said of itself; null as long as it has said nothing. */
export const device = signal<Device | null>(null);

/** Connects, and stays so. */
export function follow(): void {
  let wasLost = false;
  let hadPrograms = false;
  effect(() => {
    const { kind } = connection.value;
    if (kind === "connected") {
      if (wasLost) notify(t(hadPrograms ? "back" : "backIdle"));
      wasLost = false;
      hadPrograms = false;
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
      hadPrograms ||= runs.peek().some((run) => run.state.peek().kind === "lost" || !isOver(run.state.peek()));
    }
  });
  link.watchDevice((next) => {
    device.value = next;
  });
  link.connect();
}
