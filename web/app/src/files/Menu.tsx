/** A menu at a place on the page, as the ARIA practices have it. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import "./menu.css";

export interface MenuItem {
  readonly label: string;
  readonly action: () => void;
  readonly dangerous?: boolean;
  /** For what is on or off. */
  readonly checked?: boolean;
  /** The key that does the same, for people. */
  readonly keys?: string;
}

interface MenuProps {
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** Of the window, in px. */
  readonly x: number;
  readonly y: number;
  /** `chosen` if something was chosen: that may have put the focus elsewhere. */
  readonly onClose: (chosen: boolean) => void;
}

/** px that stay free around the menu. */
const MENU_MARGIN_PX = 8;

export function Menu({ label, items, x, y, onClose }: MenuProps) {
  const menu = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const element = menu.current;
    if (element === null) return;
    const { width, height } = element.getBoundingClientRect();
    element.style.left = `${Math.max(MENU_MARGIN_PX, Math.min(x, innerWidth - width - MENU_MARGIN_PX))}px`;
    element.style.top = `${Math.max(MENU_MARGIN_PX, Math.min(y, innerHeight - height - MENU_MARGIN_PX))}px`;
    element.querySelector<HTMLElement>("button")?.focus();
  }, [x, y]);

  useEffect(() => {
    const outside = (event: Event) => {
      if (!menu.current?.contains(event.target as Node | null)) onClose(false);
    };
    addEventListener("pointerdown", outside, true);
    addEventListener("blur", outside);
    addEventListener("resize", outside);
    return () => {
      removeEventListener("pointerdown", outside, true);
      removeEventListener("blur", outside);
      removeEventListener("resize", outside);
    };
  }, [onClose]);

  function onKey(event: KeyboardEvent): void {
    const buttons = [...(menu.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    let next: HTMLElement | undefined;
    if (event.key === "ArrowDown") next = buttons[(at + 1) % buttons.length];
    else if (event.key === "ArrowUp") next = buttons[(at - 1 + buttons.length) % buttons.length];
    else if (event.key === "Home") next = buttons[0];
    else if (event.key === "End") next = buttons.at(-1);
    else if (event.key === "Escape" || event.key === "Tab") onClose(false);
    else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) {
      const wanted = event.key.toLowerCase();
      const order = [...buttons.slice(at + 1), ...buttons.slice(0, at + 1)];
      next = order.find((button) => button.textContent?.trim().toLowerCase().startsWith(wanted));
    } else return;
    event.preventDefault();
    event.stopPropagation();
    next?.focus();
  }

  return (
    <div ref={menu} class="menu" role="menu" aria-label={label} tabIndex={-1} onKeyDown={onKey}>
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          class={item.dangerous ? "menu-bad" : undefined}
          role={item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
          aria-checked={item.checked}
          tabIndex={-1}
          onClick={() => {
            onClose(true);
            item.action();
          }}
        >
          {item.checked !== undefined && (
            <span class="menu-check" aria-hidden="true">
              {item.checked ? "✓" : ""}
            </span>
          )}
          <span>{item.label}</span>
          {item.keys !== undefined && (
            <span class="menu-keys" aria-hidden="true">
              {item.keys}
            </span>
          )}
        </button>
      ))}
    </div>
  );
}
