import { useSignal } from "@preact/signals";
import { t } from "../text";
import { download } from "../ui/download";
import { CloseIcon, SaveIcon } from "../ui/icons";
import { Card } from "./Card";
import type { ShownFigure } from "./figures";

/** Characters of a title that are shown and put into a file's name. */
const TITLE_MAX_CHARS = 100;

function figureName({ figure, title }: Pick<ShownFigure, "figure" | "title">): string {
  const short = title.trim().slice(0, TITLE_MAX_CHARS);
  // Matplotlib calls them that by itself.
  if (short === "" || short === `Figure ${figure}`) return t("figureTitle", { number: figure });
  return t("figureTitled", { number: figure, title: short });
}

export function FigurePanel({ figure, onClose }: { readonly figure: ShownFigure; readonly onClose: () => void }) {
  const broken = useSignal<string | null>(null);
  const name = figureName(figure);
  const body = () =>
    broken.value === figure.url ? (
      <p class="bad-text">{t("figureBroken")}</p>
    ) : (
      <img
        class="channels-picture"
        src={figure.url}
        alt={name}
        // The room that it takes is known before it is there.
        width={figure.width}
        height={figure.height}
        onError={() => {
          broken.value = figure.url;
        }}
      />
    );
  return (
    <Card
      kind="figure"
      title={name}
      body={body}
      actions={
        <>
          <button
            type="button"
            class="icon-button"
            aria-label={t("channelsSave", { name })}
            title={t("channelsSave", { name })}
            onClick={() => download(`${name.replace(/[^\p{L}\p{N} ._-]+/gu, "_")}.${figure.format}`, figure.image)}
          >
            <SaveIcon />
          </button>
          <button
            type="button"
            class="icon-button"
            aria-label={`${t("close")}: ${name}`}
            title={t("close")}
            onClick={onClose}
          >
            <CloseIcon />
          </button>
        </>
      }
    />
  );
}
