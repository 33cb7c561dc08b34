/** The uploads of this page: one after the other, with what is to be asked and told. */

import { signal } from "@preact/signals";
import { link } from "../link";
import { t } from "../text";
import { notify } from "../ui/notices";
import { type Drop, gather, type Parcel, TooMany, UPLOAD_MAX_ENTRIES } from "./dropped-files";
import { errorReason } from "./error-messages";
import { isWithin, nameOf } from "./names";
import { type Answer, type Result, Uploading } from "./uploads";
import { tree } from "./workspace";

/** The upload that is going on. */
export const uploading = signal<Uploading | null>(null);

/** How many files were found so far in what was dropped; null when nothing is being gathered. */
export const gathered = signal<number | null>(null);

export interface Asked {
  readonly name: string;
  readonly folder: string;
  readonly answer: (answer: Answer | null) => void;
}

/** What a person has to decide before the upload goes on. */
export const asked = signal<Asked | null>(null);

let queue: Promise<void> = Promise.resolve();

export function uploadDropped(drop: Drop, folder: string): void {
  enqueue(folder, async (current) => {
    gathered.value = 0;
    try {
      return await gather(
        drop,
        (count) => {
          gathered.value = count;
        },
        current.signal,
      );
    } finally {
      gathered.value = null;
    }
  });
}

export function uploadChosen(parcel: () => Parcel, folder: string): void {
  enqueue(folder, async () => parcel());
}

function enqueue(folder: string, collect: (current: Uploading) => Promise<Parcel>): void {
  queue = queue.then(() => upload(folder, collect)).catch((error: unknown) => notify(errorReason(error), "bad"));
}

async function upload(folder: string, collect: (current: Uploading) => Promise<Parcel>): Promise<void> {
  const current = new Uploading(link.files, decide);
  uploading.value = current;
  try {
    const parcel = await collect(current);
    if (folder !== "") await tree.expand(folder);
    const result = await current.run(parcel, folder);
    tell(parcel, result);
  } catch (error) {
    if (error instanceof TooMany) notify(t("filesUploadTooMany", { most: UPLOAD_MAX_ENTRIES }), "bad");
    else if (!current.signal.aborted) throw error;
  } finally {
    uploading.value = null;
    asked.value = null;
    // Also without the stream of changes what has come is to be seen.
    await tree.list(folder);
  }
}

function decide(name: string, folder: string): Promise<Answer | null> {
  return new Promise((resolve) => {
    asked.value = {
      name,
      folder,
      answer: (answer) => {
        asked.value = null;
        resolve(answer);
      },
    };
  });
}

function tell(parcel: Parcel, { uploaded, failures, stopped }: Result): void {
  for (const name of parcel.unreadable.slice(0, 1)) notify(t("filesUploadUnreadable", { name }), "bad");
  const first = failures[0];
  if (first !== undefined) {
    const name = nameOf(first.path);
    const reason = errorReason(first.error);
    if (failures.length === 1) notify(t("filesUploadFailed", { name, reason }), "bad");
    else notify(t("filesUploadFailedMore", { count: failures.length, name, reason }), "bad");
  }
  if (stopped) notify(t("filesUploadStopped", { count: uploaded }));
  else if (uploaded === 1) notify(t("filesUploadedOne", { name: nameOf(parcel.files[0]?.path ?? "") }));
  else if (uploaded > 1) notify(t("filesUploaded", { count: uploaded }));
}

/** Whether something that is dragged inside the tree may be dropped on a folder. */
export function mayMoveInto(path: string, folder: string): boolean {
  return !isWithin(folder, path) || folder === "";
}
