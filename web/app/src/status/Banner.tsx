import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { connection, link } from "../link";
import { runs } from "../run/runs";
import { t } from "../text";

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
  if (state.kind === "connected" || (state.kind !== "waiting" && !tried.value)) return null;
  const stopped = runs.value.some((run) => run.state.value.kind === "lost");
  const seconds = state.kind === "waiting" ? Math.max(0, Math.ceil((state.retryAt - now.value) / 1000)) : 0;
  return (
    <div class="banner" role="alert">
      <strong>{t(stopped || state.kind === "waiting" ? "lostBanner" : "neverBanner")}</strong>
      {state.kind === "waiting" && state.reason === "server-stopping" && <span>{t("serverStopping")}</span>}
      {state.kind === "waiting" && state.reason === "full" && <span>{t("serverFull")}</span>}
      {stopped && <span>{t("stoppedPrograms")}</span>}
      <span aria-live="off">{state.kind === "waiting" && seconds > 0 ? t("retryIn", { seconds }) : t("retrying")}</span>
      <button type="button" onClick={() => link.retryNow()}>
        {t("tryNow")}
      </button>
    </div>
  );
}
