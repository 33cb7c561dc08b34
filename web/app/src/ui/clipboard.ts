/**
 * Putting text on the clipboard, and taking it from there, as far as the browser lets a page do it.
 */

/**
 * Whether it was put there. Pages without https have no clipboard; there the browser's old way may
 * work.
 */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByCommand(text);
  }
}

/** What is on the clipboard; null if the page may not know. */
export async function readText(): Promise<string | null> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    return null;
  }
}

function copyByCommand(text: string): boolean {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  field.readOnly = true;
  // A dialog makes everything outside of it out of reach.
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  let copied = false;
  try {
    copied = document.execCommand("copy");
  } catch {
    // Not to be had at all.
  }
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return copied;
}
