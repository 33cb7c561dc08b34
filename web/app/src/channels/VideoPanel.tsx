import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { language, t } from "../text";
import { download } from "../ui/download";
import { SaveIcon } from "../ui/icons";
import { useVisible } from "../ui/visible";
import { Card } from "./Card";
import type { Video } from "./video";

/** Pixels of a side of the picture that is drawn: larger ones are made smaller. */
const FRAME_SIDE_MAX_PX = 4096;

export function VideoPanel({ video, name }: { readonly video: Video; readonly name: string }) {
  const title = t("videoTitle");
  return (
    <Card
      kind="video"
      title={title}
      body={() => <Screen video={video} />}
      actions={
        <button
          type="button"
          class="icon-button"
          aria-label={t("channelsSave", { name: title })}
          title={t("channelsSave", { name: title })}
          onClick={() => {
            const picture = video.picture;
            if (picture !== null)
              download(`${name}-${picture.number}.jpg`, new Blob([picture.image], { type: "image/jpeg" }));
          }}
        >
          <SaveIcon />
        </button>
      }
    />
  );
}

interface Drawn {
  readonly width: number;
  readonly height: number;
}

/** Decodes and draws the newest picture, one at a time, and none that nobody sees. */
class Painter {
  /** Whether somebody sees it. */
  seen = false;
  #busy = false;
  #drawn = 0;

  constructor(
    readonly video: Video,
    readonly canvas: HTMLCanvasElement,
    /** Told of each picture; null: it is none. */
    readonly told: (drawn: Drawn | null) => void,
  ) {}

  async draw(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (;;) {
      const next = this.video.picture;
      if (!this.seen || next === null || next.number === this.#drawn) break;
      this.#drawn = next.number;
      const bitmap = await createImageBitmap(next.image).catch(() => null);
      if (bitmap !== null) paint(this.canvas, bitmap);
      this.told(bitmap === null ? null : { width: bitmap.width, height: bitmap.height });
      bitmap?.close();
    }
    this.#busy = false;
  }
}

function Screen({ video }: { readonly video: Video }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<Painter | null>(null);
  const visible = useVisible(canvas);
  const size = useSignal<Drawn | null>(null);
  const broken = useSignal(false);
  const picture = video.picture;
  const seen = visible.value;

  useEffect(() => {
    if (canvas.current === null) return;
    painter.current ??= new Painter(video, canvas.current, (drawn) => {
      broken.value = drawn === null;
      const before = size.peek();
      if (drawn !== null && (before?.width !== drawn.width || before.height !== drawn.height)) size.value = drawn;
    });
    painter.current.seen = seen;
    void painter.current.draw();
  }, [picture, seen]);
  useEffect(
    () => () => {
      if (painter.current !== null) painter.current.seen = false;
    },
    [],
  );

  const numbers = new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 });
  return (
    <>
      <canvas ref={canvas} class="channels-picture" role="img" aria-label={t("videoPicture")} />
      {broken.value && <p class="bad-text">{t("videoBroken")}</p>}
      <p class="hint">
        {size.value !== null && t("videoSize", { width: size.value.width, height: size.value.height })}
        {video.rate !== null && ` · ${t("videoRate", { rate: numbers.format(video.rate) })}`}
        {video.dropped > 0 && ` · ${t("videoDropped", { count: video.dropped })}`}
      </p>
    </>
  );
}

function paint(canvas: HTMLCanvasElement, bitmap: ImageBitmap): void {
  const scale = Math.min(1, FRAME_SIDE_MAX_PX / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  // Setting either clears it.
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  canvas.getContext("2d", { alpha: false })?.drawImage(bitmap, 0, 0, width, height);
}
