/**
 * Dialogs: one at a time, each a native <dialog>, which keeps the focus inside and gives it back.
 */

import { type Signal, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text";
import "./dialog.css";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly class?: string;
}

/** A dialog that is open as long as it is drawn. Esc and a press beside it close it. */
export function Dialog({ title, onClose, children, class: extra }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    if (dialog === null) return;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${extra ?? ""}`}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === element.current && isBeside(event, event.currentTarget)) onClose();
      }}
    >
      <div class="dialog-box">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

/** A dialog's backdrop counts as the dialog; so does the bar that scrolls it. */
function isBeside({ clientX, clientY }: PointerEvent, dialog: HTMLElement): boolean {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}

interface Question {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly dangerous: boolean;
  readonly answer: (yes: boolean) => void;
}

const question: Signal<Question | null> = signal(null);

/** Asks before something is done; `action` is what the button says that does it. */
export function ask(title: string, text: string, action: string, dangerous = true): Promise<boolean> {
  question.value?.answer(false);
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      action,
      dangerous,
      answer: (yes) => {
        question.value = null;
        resolve(yes);
      },
    };
  });
}

/** Where questions appear; once on the page. */
export function Questions() {
  const asked = question.value;
  if (asked === null) return null;
  return (
    <Dialog title={asked.title} onClose={() => asked.answer(false)}>
      <p class="dialog-text">{asked.text}</p>
      <div class="dialog-buttons">
        <button type="button" onClick={() => asked.answer(false)}>
          {t("cancel")}
        </button>
        <button type="button" class={asked.dangerous ? "bad" : "main"} onClick={() => asked.answer(true)}>
          {asked.action}
        </button>
      </div>
    </Dialog>
  );
}
