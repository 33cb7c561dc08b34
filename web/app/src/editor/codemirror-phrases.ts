/** CodeMirror's own words, in the page's language. */

import { t } from "../text";

/** Keyed by the English that CodeMirror has built in. */
export function phrases(): Record<string, string> {
  return {
    Find: t("editorFind"),
    Replace: t("editorReplaceWith"),
    next: t("editorNext"),
    previous: t("editorPrevious"),
    all: t("editorAll"),
    "match case": t("editorMatchCase"),
    regexp: t("editorRegexp"),
    "by word": t("editorByWord"),
    replace: t("editorReplace"),
    "replace all": t("editorReplaceAll"),
    close: t("editorCloseSearch"),
    "current match": t("editorCurrentMatch"),
    "replaced $ matches": t("editorReplacedMatches"),
    "replaced match on line $": t("editorReplacedMatch"),
    "on line": t("editorOnLine"),
    "Go to line": t("editorGoToLine"),
    go: t("editorGo"),
    "Control character": t("editorControlCharacter"),
    "Selection deleted": t("editorSelectionDeleted"),
    "Folded lines": t("editorFoldedLines"),
    "Unfolded lines": t("editorUnfoldedLines"),
    to: t("editorTo"),
    "folded code": t("editorFoldedCode"),
    unfold: t("editorUnfold"),
    "Fold line": t("editorFoldLine"),
    "Unfold line": t("editorUnfoldLine"),
    Completions: t("editorCompletions"),
  };
}
