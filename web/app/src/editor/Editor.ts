/** The editor: one view, which shows one of the open documents at a time. */

import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completeAnyWord,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  indentOnInput,
  indentUnit,
  type LanguageSupport,
} from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import {
  Annotation,
  Compartment,
  EditorSelection,
  EditorState,
  type Extension,
  StateEffect,
  StateField,
  type Text,
} from "@codemirror/state";
import {
  crosshairCursor,
  Decoration,
  type DecorationSet,
  drawSelection,
  dropCursor,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
} from "@codemirror/view";
import { effect } from "@preact/signals";
import { nameOf } from "../files/names";
import { coarse } from "../shell/layout";
import { t } from "../text";
import { phrases } from "./codemirror-phrases";
import type { OpenDocument, Place } from "./document";
import { indentationOf } from "./indentation";
import { isPython, languageOf } from "./languages";
import "./csp-styles";
import { theme } from "./theme";

/** Columns of a tab: as in the terminal's half, for narrow screens. */
const TAB_COLUMNS = 4;

/** Marks changes that came from outside, which are not to be saved. */
const outside = Annotation.define<true>();

const markLine = StateEffect.define<number | null>();

/** The line that was jumped to, until something is typed. */
const marked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(decorations, transaction) {
    let next = transaction.docChanged ? Decoration.none : decorations;
    for (const each of transaction.effects) {
      if (!each.is(markLine)) continue;
      next =
        each.value === null
          ? Decoration.none
          : Decoration.set([Decoration.line({ class: "cm-placeLine" }).range(each.value)]);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/**
 * The one change that makes `to` of `from`: what both have at the beginning and the end stays, and
 * with it the cursor.
 */
export function difference(from: Text, to: Text): { from: number; to: number; insert: Text } {
  const before = from.toString();
  const after = to.toString();
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  let end = 0;
  while (
    end < most - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  ) {
    end += 1;
  }
  return { from: start, to: before.length - end, insert: to.slice(start, after.length - end) };
}

interface Kept {
  readonly state: EditorState;
  readonly scroll: StateEffect<unknown>;
}

export class Editor {
  readonly #view: EditorView;
  /** How a document was left that is not shown now. Goes with the document. */
  readonly #kept = new WeakMap<OpenDocument, Kept>();
  readonly #language = new Compartment();
  readonly #habits = new Compartment();
  readonly #words = new Compartment();
  readonly #rights = new Compartment();
  readonly #ending = new Compartment();
  #document: OpenDocument | null = null;
  #stop: (() => void)[] = [];
  #wanted = 0;

  constructor(parent: HTMLElement) {
    this.#view = new EditorView({ parent });
  }

  show(document: OpenDocument): void {
    if (document === this.#document) return;
    this.#leave();
    this.#document = document;
    const kept = this.#kept.get(document);
    this.#view.setState(kept?.state ?? this.#fresh(document));
    if (kept !== undefined) this.#view.dispatch({ effects: kept.scroll });
    let name: string | null = null;
    this.#stop = [
      effect(() => {
        document.revision.value;
        this.#takeOver(document);
      }),
      effect(() => {
        const next = nameOf(document.path.value);
        if (next !== name) this.#configure(document, next);
        name = next;
      }),
      effect(() => {
        const writable = document.view.value === "text";
        const label = t("editorLabel", { name: document.path.value });
        this.#view.dispatch({
          effects: [
            this.#rights.reconfigure([
              EditorState.readOnly.of(!writable),
              EditorView.contentAttributes.of({ "aria-label": label, "aria-readonly": String(!writable) }),
            ]),
            this.#words.reconfigure(EditorState.phrases.of(phrases())),
          ],
        });
      }),
      effect(() => {
        const place = document.place.value;
        if (place === null || document.view.value === "loading") return;
        this.#go(place);
        document.place.value = null;
      }),
    ];
  }

  focus(): void {
    this.#view.focus();
  }

  dispose(): void {
    this.#leave();
    this.#view.destroy();
  }

  #leave(): void {
    for (const stop of this.#stop) stop();
    this.#stop = [];
    if (this.#document === null) return;
    this.#kept.set(this.#document, { state: this.#view.state, scroll: this.#view.scrollSnapshot() });
    this.#document = null;
  }

  #fresh(document: OpenDocument): EditorState {
    return EditorState.create({ doc: document.content, extensions: this.#extensions() });
  }

  #extensions(): Extension {
    return [
      theme,
      lineNumbers(),
      highlightActiveLineGutter(),
      highlightSpecialChars(),
      history(),
      foldGutter(),
      drawSelection(),
      dropCursor(),
      EditorState.allowMultipleSelections.of(true),
      EditorState.tabSize.of(TAB_COLUMNS),
      indentOnInput(),
      bracketMatching(),
      closeBrackets(),
      autocompletion({ icons: false }),
      rectangularSelection(),
      crosshairCursor(),
      highlightActiveLine(),
      highlightSelectionMatches(),
      search({ top: false }),
      marked,
      EditorView.contentAttributes.of({
        tabindex: "0",
        autocapitalize: "off",
        autocorrect: "off",
        spellcheck: "false",
      }),
      keymap.of([
        ...closeBracketsKeymap,
        ...defaultKeymap,
        ...searchKeymap,
        ...historyKeymap,
        ...foldKeymap,
        ...completionKeymap,
        // Esc and then Tab leaves the editor, as always in CodeMirror.
        indentWithTab,
      ]),
      this.#language.of([]),
      this.#habits.of([]),
      this.#words.of([]),
      this.#rights.of([]),
      this.#ending.of([]),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged || update.transactions.some((transaction) => transaction.annotation(outside))) return;
        this.#document?.edited(update.state.doc);
      }),
    ];
  }

  /** The document's text has come from outside: from the device, or a draft. */
  #takeOver(document: OpenDocument): void {
    const { state } = this.#view;
    const first = state.doc.length === 0 && this.#kept.get(document) === undefined;
    const separator = document.format.ending === "mixed" ? EditorState.lineSeparator.of("\n") : [];
    this.#view.dispatch({
      effects: this.#ending.reconfigure(separator),
      ...(document.content.eq(state.doc)
        ? {}
        : { changes: difference(state.doc, document.content), annotations: outside.of(true) }),
    });
    // The indentation, and perhaps the language, can only be seen now.
    if (first) this.#configure(document, nameOf(document.path.value));
  }

  #configure(document: OpenDocument, name: string): void {
    this.#wanted += 1;
    const wanted = this.#wanted;
    const firstLine = document.content.line(1).text.slice(0, 200);
    const language = languageOf(name, firstLine);
    const indentation = indentationOf(document.content, name);
    const words = isPython(name, firstLine)
      ? []
      : EditorState.languageData.of(() => [{ autocomplete: completeAnyWord }]);
    const apply = (support: LanguageSupport | null) => {
      this.#view.dispatch({
        effects: [
          this.#language.reconfigure(support ?? []),
          this.#habits.reconfigure([indentUnit.of(indentation), words]),
        ],
      });
    };
    if (typeof language !== "function") {
      apply(language);
      return;
    }
    apply(null);
    language().then(
      (support) => {
        if (wanted === this.#wanted && this.#document === document) apply(support);
      },
      () => {
        // Without its colours a file can be edited as well; the connection may be lost.
      },
    );
  }

  #go({ line, column = 1, begin }: Place): void {
    const { doc } = this.#view.state;
    const target = doc.line(Math.min(Math.max(1, Math.trunc(line)), doc.lines));
    const position = target.from + Math.min(Math.max(0, Math.trunc(column) - 1), target.length);
    if (begin) {
      // Where the focus brings up a keyboard over half of the page, the program is to be seen
      // first.
      if (!coarse.value) this.#view.focus();
      return;
    }
    this.#view.dispatch({
      selection: EditorSelection.cursor(position),
      effects: [EditorView.scrollIntoView(position, { y: "center" }), markLine.of(target.from)],
    });
    this.#view.focus();
  }
}
