/** How the editor looks: the page's colours, so that it changes with them. */

import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--panel)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", overscrollBehavior: "contain" },
  ".cm-content": { caretColor: "var(--text)", paddingBlock: "0.5rem" },
  ".cm-line": { paddingInline: "0.5rem 1rem" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--text)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--selection)",
  },
  ".cm-gutters": { backgroundColor: "var(--panel)", color: "var(--quiet)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { paddingInline: "0.75rem 0.25rem", minWidth: "2.5rem" },
  ".cm-foldGutter .cm-gutterElement": { cursor: "pointer", paddingInline: "0.25rem" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent-tint) 45%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--text)", fontWeight: "600" },
  ".cm-placeLine": { backgroundColor: "var(--wait-tint)", boxShadow: "inset 3px 0 0 var(--wait)" },
  "&.cm-focused .cm-matchingBracket, .cm-matchingBracket": {
    backgroundColor: "var(--accent-tint)",
    outline: "1px solid var(--accent)",
  },
  "&.cm-focused .cm-nonmatchingBracket, .cm-nonmatchingBracket": {
    backgroundColor: "var(--bad-tint)",
    color: "var(--bad)",
  },
  ".cm-selectionMatch": { backgroundColor: "var(--accent-tint)" },
  ".cm-searchMatch": { backgroundColor: "var(--wait-tint)", outline: "1px solid var(--wait)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--selection)" },
  ".cm-specialChar": { color: "var(--bad)" },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--sunk)",
    border: "1px solid var(--line)",
    color: "var(--quiet)",
    padding: "0 0.375rem",
  },
  ".cm-panels": { backgroundColor: "var(--sunk)", color: "var(--text)" },
  ".cm-panels.cm-panels-bottom": { borderTop: "1px solid var(--line)" },
  ".cm-panel.cm-search": {
    display: "flex",
    flexWrap: "wrap",
    gap: "0.375rem",
    alignItems: "center",
    padding: "0.5rem 3rem 0.5rem 0.5rem",
    fontFamily: "var(--sans)",
    fontSize: "0.875rem",
  },
  ".cm-panel.cm-search input, .cm-panel.cm-search button, .cm-panel.cm-search label": { margin: "0" },
  ".cm-panel.cm-search br": { flexBasis: "100%", content: "''" },
  ".cm-panel.cm-search label": { display: "inline-flex", alignItems: "center", gap: "0.25rem", fontSize: "0.875rem" },
  ".cm-panel.cm-search [name=close]": {
    position: "absolute",
    top: "0.5rem",
    right: "0.5rem",
    width: "var(--control)",
    height: "var(--control)",
    fontSize: "1.25rem",
    color: "var(--text)",
    cursor: "pointer",
  },
  ".cm-panel .cm-textfield, .cm-panel .cm-button": {
    minHeight: "var(--control)",
    margin: "0",
    padding: "0 0.625rem",
    border: "1px solid var(--control-line)",
    borderRadius: "var(--radius-small)",
    background: "var(--raised)",
    color: "var(--text)",
    fontFamily: "var(--sans)",
    fontSize: "0.875rem",
  },
  ".cm-panel .cm-textfield": { flex: "1 1 9rem", maxWidth: "16rem", minWidth: "0", fontSize: "max(0.875rem, 1em)" },
  ".cm-panel .cm-button": { cursor: "pointer" },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)",
    border: "1px solid var(--line)",
    borderRadius: "var(--radius-small)",
    boxShadow: "var(--shadow)",
    overflow: "hidden",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "0.875rem", maxHeight: "14rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.25rem 0.5rem", color: "var(--text)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    background: "var(--accent)",
    color: "var(--on-accent)",
  },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
});

const colours = HighlightStyle.define([
  { tag: [tags.comment, tags.meta], color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.self], color: "var(--typed)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.docString], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.escape, tags.unit, tags.color], color: "var(--wait)" },
  {
    tag: [
      tags.function(tags.variableName),
      tags.function(tags.propertyName),
      tags.function(tags.definition(tags.variableName)),
    ],
    color: "var(--accent-strong)",
  },
  {
    tag: [tags.className, tags.typeName, tags.namespace, tags.tagName, tags.definition(tags.typeName)],
    color: "var(--accent)",
    fontWeight: "600",
  },
  { tag: [tags.attributeName, tags.propertyName, tags.labelName], color: "var(--link)" },
  { tag: tags.heading, color: "var(--accent-strong)", fontWeight: "700" },
  { tag: tags.link, color: "var(--link)", textDecoration: "underline" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
  { tag: tags.invalid, color: "var(--bad)", textDecoration: "underline wavy" },
]);

export const theme: Extension = [look, syntaxHighlighting(colours)];
