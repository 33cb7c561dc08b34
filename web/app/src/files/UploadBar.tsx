/** How an upload goes, and what it asks. */

import { useState } from "preact/hooks";
import { t } from "../text";
import { Dialog } from "../ui/Dialog";
import { type Asked, asked, gathered, uploading } from "./upload-queue";
import type { Choice } from "./uploads";

export function UploadBar() {
  const current = uploading.value;
  const question = asked.value;
  if (current === null) return null;
  const progress = current.progress.value;
  const words =
    gathered.value !== null
      ? t("filesCollecting", { count: gathered.value })
      : progress === null
        ? t("filesLoading")
        : t("filesUploading", { done: progress.done, count: progress.count, name: progress.name });
  return (
    <div class="files-upload">
      <p>{words}</p>
      <progress aria-label={t("filesUploadProgress")} max={1} value={progress?.share} />
      <button type="button" onClick={() => current.stop()}>
        {t("filesUploadCancel")}
      </button>
      {question !== null && <Taken key={question} question={question} />}
    </div>
  );
}

function Taken({ question: { name, folder, answer } }: { readonly question: Asked }) {
  const [forAll, setForAll] = useState(false);
  const button = (choice: Choice, label: string, kind?: string) => (
    <button type="button" class={kind} onClick={() => answer({ choice, forAll })}>
      {label}
    </button>
  );
  return (
    <Dialog title={t("filesExists", { name })} onClose={() => answer(null)}>
      <p class="dialog-text">{t("filesExistsText", { folder: folder === "" ? t("filesExistsTop") : folder })}</p>
      <label class="check">
        <input type="checkbox" checked={forAll} onChange={(event) => setForAll(event.currentTarget.checked)} />
        {t("filesForAll")}
      </label>
      <div class="dialog-buttons">
        <button type="button" onClick={() => answer(null)}>
          {t("cancel")}
        </button>
        {button("skip", t("filesSkip"))}
        {button("both", t("filesKeepBoth"))}
        {button("replace", t("filesReplace"), "bad")}
      </div>
    </Dialog>
  );
}
