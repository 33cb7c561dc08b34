/**
 * The field for a name in the tree: Enter takes it, Esc does not, and a name that is not possible
 * says why.
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../text";
import { nameFaultText } from "./error-messages";
import { extensionOf, nameFault } from "./names";

interface NameInputProps {
  readonly label: string;
  readonly initial: string;
  readonly directory: boolean;
  readonly taken: (name: string) => boolean;
  /**
   * Null if nothing is to be done. `byKey` if the field was left with a key, so that the focus
   * belongs to the tree again.
   */
  readonly onDone: (name: string | null, byKey: boolean) => void;
}

export function NameInput({ label, initial, directory, taken, onDone }: NameInputProps) {
  const input = useRef<HTMLInputElement>(null);
  const done = useRef(false);
  const [fault, setFault] = useState<string | null>(null);

  useLayoutEffect(() => {
    const element = input.current;
    if (element === null) return;
    element.focus();
    // Mostly the name is meant, and the end of it stays.
    element.setSelectionRange(0, initial.length - (directory ? 0 : extensionOf(initial).length));
  }, []);

  function faultOf(name: string): string | null {
    if (name === initial && initial !== "") return null;
    const wrong = nameFault(name);
    if (wrong !== null) return nameFaultText(wrong);
    return taken(name) ? t("filesNameTaken", { name }) : null;
  }

  function finish(name: string | null, byKey: boolean): void {
    if (done.current) return;
    done.current = true;
    onDone(name === initial ? null : name, byKey);
  }

  return (
    <span class="files-name-field">
      <input
        ref={input}
        type="text"
        aria-label={label}
        aria-invalid={fault !== null}
        aria-describedby={fault === null ? undefined : "files-name-fault"}
        defaultValue={initial}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => {
          // An empty field is no mistake yet.
          const { value } = event.currentTarget;
          setFault(value === "" ? null : faultOf(value));
        }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (event.isComposing) return;
          if (event.key === "Escape") finish(null, true);
          if (event.key !== "Enter") return;
          event.preventDefault();
          const { value } = event.currentTarget;
          const wrong = faultOf(value);
          if (wrong === null) finish(value, true);
          else setFault(wrong);
        }}
        onClick={(event) => event.stopPropagation()}
        onBlur={(event) => {
          // As in other file managers, leaving the field takes a name that is possible.
          const { value } = event.currentTarget;
          finish(value === "" || faultOf(value) !== null ? null : value, false);
        }}
      />
      {fault !== null && (
        <span id="files-name-fault" class="files-fault" role="alert">
          {fault}
        </span>
      )}
    </span>
  );
}
