import { language, t } from "../text";
import { Card } from "./Card";
import type { Sounds } from "./sounds";

/** What a program plays, with a switch for silence. */
export function SoundPanel({ sounds }: { readonly sounds: Sounds }) {
  const { last, muted } = sounds;
  return (
    <Card
      kind="sound"
      title={t("soundTitle")}
      canEnlarge={false}
      body={() => (
        <>
          {sounds.blocked ? (
            <button type="button" onClick={() => void sounds.unblock()}>
              {t("soundUnblock")}
            </button>
          ) : (
            <button type="button" aria-pressed={muted} onClick={() => sounds.mute(!muted)}>
              {t(muted ? "soundUnmute" : "soundMute")}
            </button>
          )}
          <p class="hint" role="status">
            {last?.kind === "tone" && t("soundTone", { frequency: hertz(last.frequency) })}
            {last?.kind === "wav" && t("soundFile")}
          </p>
        </>
      )}
    />
  );
}

function hertz(frequency: number): string {
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 }).format(frequency);
}
