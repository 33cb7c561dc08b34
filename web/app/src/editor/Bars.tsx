/** What is to be said and decided about the file in front, above its text. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { language, t } from "../text";
import { toRaw } from "./content";
import { differingLines } from "./diff";
import type { OpenDocument, Problem } from "./document";

/** Lines of a difference that are shown: a bar is no place for more. */
const DIFF_SHOWN_MAX_LINES = 200;

export function Bars({ document }: { readonly document: OpenDocument }) {
  const problem = document.problem.value;
  const offer = document.offer.value;
  return (
    <>
      {offer !== null && (
        <Bar kind="wait" text={t("editorDraft", { when: moment(offer.at) })}>
          <button type="button" class="main" onClick={() => document.restoreDraft()}>
            {t("editorDraftRestore")}
          </button>
          <button type="button" onClick={() => document.discardDraft()}>
            {t("editorDraftDiscard")}
          </button>
        </Bar>
      )}
      {document.view.value === "foreign" && <Bar kind="wait" text={t("editorForeign")} />}
      {problem?.kind === "changed" && <Changed key={problem} document={document} theirs={problem.theirs} />}
      {problem?.kind === "replaced" && <Bar kind="bad" text={t("editorReplaced")} />}
      {problem?.kind === "deleted" && (
        <Bar kind="wait" text={t("editorDeleted")}>
          {document.view.value === "text" && (
            <button type="button" onClick={() => void document.save({ again: true }).catch(() => {})}>
              {t("editorSaveAgain")}
            </button>
          )}
        </Bar>
      )}
      {problem?.kind === "failed" && document.unsaved.value && (
        <Bar kind="bad" text={failure(problem)}>
          <button type="button" onClick={() => void document.save({ again: true }).catch(() => {})}>
            {t("editorTryAgain")}
          </button>
        </Bar>
      )}
    </>
  );
}

interface BarProps {
  readonly kind: "wait" | "bad";
  readonly text: string;
  readonly children?: ComponentChildren;
  readonly below?: ComponentChildren;
}

function Bar({ kind, text, children, below }: BarProps) {
  return (
    <div class="editor-bar" data-kind={kind} role={kind === "bad" ? "alert" : "status"}>
      <p>{text}</p>
      {children !== undefined && <div class="editor-bar-buttons">{children}</div>}
      {below}
    </div>
  );
}

function Changed({ document, theirs }: { readonly document: OpenDocument; readonly theirs: string }) {
  const [open, setOpen] = useState(false);
  return (
    <Bar
      kind="bad"
      text={t("editorChanged")}
      below={open && <Difference mine={toRaw(document.content, document.format)} theirs={theirs} />}
    >
      <button type="button" onClick={() => void document.keepMine().catch(() => {})}>
        {t("editorKeepMine")}
      </button>
      <button type="button" onClick={() => document.takeTheirs()}>
        {t("editorTakeTheirs")}
      </button>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        {t(open ? "editorHideDifference" : "editorShowDifference")}
      </button>
    </Bar>
  );
}

function Difference({ mine, theirs }: { readonly mine: string; readonly theirs: string }) {
  const lines = differingLines(mine, theirs);
  return (
    <div class="editor-difference">
      <p>{t("editorDifference")}</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what is scrolled needs the keyboard */}
      <pre tabIndex={0}>
        {lines.slice(0, DIFF_SHOWN_MAX_LINES).map(({ kind, number, text }) => (
          <div key={`${kind}${number}`} data-kind={kind}>
            {`${kind === "mine" ? "−" : "+"} ${number}  ${text}`}
          </div>
        ))}
      </pre>
      {lines.length > DIFF_SHOWN_MAX_LINES && (
        <p>{t("editorDifferenceMore", { count: lines.length - DIFF_SHOWN_MAX_LINES })}</p>
      )}
    </div>
  );
}

function failure({ status, message }: Extract<Problem, { kind: "failed" }>): string {
  if (status === null) return t("editorFailedConnection");
  switch (status) {
    case 403:
      return t("editorFailedRights");
    case 507:
      return t("editorFailedFull");
    case 413:
      return t("editorFailedLarge");
    case 409:
    case 412:
    case 503:
      return t("editorFailedBusy");
    default:
      return t("editorFailedOther", { message });
  }
}

function moment(at: number): string {
  return new Date(at).toLocaleString(language.value, { dateStyle: "medium", timeStyle: "short" });
}
