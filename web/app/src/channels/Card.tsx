import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { t } from "../text";
import { Dialog } from "../ui/Dialog";
import { EnlargeIcon } from "./icons";

interface CardProps {
  readonly title: string;
  /** What is in it. It is drawn a second time, in place of the first, where it is enlarged. */
  readonly body: (large: boolean) => ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly kind: string;
  readonly canEnlarge?: boolean;
}

/** A panel with its title and what can be done with it. */
export function Card({ title, body, actions, kind, canEnlarge = true }: CardProps) {
  const large = useSignal(false);
  return (
    <section class="channels-card" data-kind={kind} aria-label={title}>
      <header class="channels-card-head">
        <h2 title={title}>{title}</h2>
        {actions}
        {canEnlarge && (
          <button
            type="button"
            class="icon-button"
            aria-label={t("channelsEnlarge", { name: title })}
            title={t("channelsEnlarge", { name: title })}
            onClick={() => {
              large.value = true;
            }}
          >
            <EnlargeIcon />
          </button>
        )}
      </header>
      <div class="channels-card-body">{large.value ? <p class="hint">{t("channelsLarge")}</p> : body(false)}</div>
      {large.value && (
        <Dialog class="channels-large" title={title} onClose={() => (large.value = false)}>
          <div class="channels-large-body" data-kind={kind}>
            {body(true)}
          </div>
          <div class="dialog-buttons">
            {actions}
            <button type="button" onClick={() => (large.value = false)}>
              {t("close")}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
