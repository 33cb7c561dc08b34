import { useSignal } from "@preact/signals";
import type { WaitReason } from "further-link";
import { useEffect } from "preact/hooks";
import { connection, link } from "../link";
import { type PlainKey, t } from "../text";
import { everConnected, interrupted } from "./status";

/** What a person can know or do about it; for the others there is only to wait. */
const WAIT_REASON_TEXTS: Readonly<Partial<Record<WaitReason, PlainKey>>> = {
  "server-stopping": "serverStopping",
  full: "serverFull",
  refused: "refused",
};

/** Says, as long as there is no connection, what that means and when it is tried again. */
export function Banner() {
  const state = connection.value;
  const now = useSignal(Date.now());
  const waiting = state.kind === "waiting";
  useEffect(() => {
    if (!waiting) return;
    now.value = Date.now();
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 500);
    return () => clearInterval(timer);
  }, [waiting, state]);
  const tried = useSignal(false);
  useEffect(() => {
    if (state.kind === "waiting") tried.value = true;
    if (state.kind === "connected") tried.value = false;
  }, [state.kind]);
  // What was said when it was lost counts until it is back: the tries after that only find nobody
  // there.
  const known = useSignal<PlainKey | undefined>(undefined);
  useEffect(() => {
    if (state.kind === "connected") known.value = undefined;
    else if (state.kind === "waiting") known.value = WAIT_REASON_TEXTS[state.reason] ?? known.value;
  }, [state]);
  if (state.kind === "connected" || (state.kind !== "waiting" && !tried.value)) return null;
  const reason = known.value;
  const seconds = state.kind === "waiting" ? Math.max(0, Math.ceil((state.retryAt - now.value) / 1000)) : 0;
  return (
    <div class="banner" role="alert">
      <strong>{t(everConnected.value ? "lostBanner" : "neverBanner")}</strong>
      {reason !== undefined && <span>{t(reason)}</span>}
      {interrupted.value && <span>{t("stoppedPrograms")}</span>}
      <span aria-live="off">{state.kind === "waiting" && seconds > 0 ? t("retryIn", { seconds }) : t("retrying")}</span>
      <button type="button" onClick={() => link.retryNow()}>
        {t("tryNow")}
      </button>
    </div>
  );
}
