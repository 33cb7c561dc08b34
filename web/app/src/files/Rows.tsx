/**
 * The tree itself, as the ARIA practices have it. Only the rows that are in view are in the page:
 * folders may be large.
 */

import { useSignal } from "@preact/signals";
import type { MutableRef } from "preact/hooks";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../text";
import { notify } from "../ui/notices";
import { shortcut } from "../ui/shortcut";
import { create, download, duplicate, move, remove } from "./actions";
import { drags, dropTarget, isOurs, LOCAL_PATH_TYPE } from "./drag-and-drop";
import { dropOf } from "./dropped-files";
import { Menu, type MenuItem } from "./Menu";
import { NameInput } from "./NameInput";
import { isWithin, join, nameOf, parentOf } from "./names";
import { TreeRow } from "./TreeRow";
import type { Row } from "./tree";
import { mayMoveInto, uploadDropped } from "./upload-queue";
import { activePath, open, tree } from "./workspace";

/** Rows above and below what is seen, so that scrolling shows no gaps. */
const OVERSCAN_ROWS = 12;
/** ms after which typed letters begin a new word. */
const TYPE_AHEAD_TIMEOUT_MS = 700;
/** ms over a closed folder until it opens for what is dragged. */
const DRAG_OPEN_DELAY_MS = 700;

export interface RowsHandle {
  /** The folder that the person is in: where new things go. */
  folder(): string;
  create(folder: string, directory: boolean): void;
}

type Editing =
  | { readonly kind: "rename"; readonly path: string }
  | { readonly kind: "new"; readonly folder: string; readonly directory: boolean };

interface RowsProps {
  readonly handle: MutableRef<RowsHandle | null>;
  readonly onUpload: (folder: string) => void;
}

export function Rows({ handle, onUpload }: RowsProps) {
  const rows = tree.rows.value;
  const scroll = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(30);
  const [seen, setSeen] = useState({ top: 0, height: 600 });
  const [focused, setFocused] = useState<string | null>(null);
  const [editing, setEditing] = useState<Editing | null>(null);
  const [menu, setMenu] = useState<{ row: Row; x: number; y: number } | null>(null);
  const [held, setHeld] = useState<string | null>(null);
  const over = useSignal<string | null>(null);
  /** Set when the focused row is to get the focus as soon as it is drawn. */
  const wanted = useRef(false);
  const typed = useRef({ text: "", at: 0 });
  const opening = useRef<{ path: string; timer: ReturnType<typeof setTimeout> } | null>(null);

  const index = rows.findIndex(({ path }) => path === focused);
  const current = rows[index] ?? rows.find(({ path }) => path === activePath.value) ?? rows[0] ?? null;
  const currentIndex = current === null ? -1 : rows.indexOf(current);
  const newAt = editing?.kind === "new" ? placeOfNew(rows, editing.folder) : -1;

  handle.current = {
    folder: () =>
      focused === null || current === null ? "" : current.directory ? current.path : parentOf(current.path),
    create: (folder, directory) => {
      if (folder !== "") void tree.expand(folder);
      setEditing({ kind: "new", folder, directory });
    },
  };

  useLayoutEffect(() => {
    const element = scroll.current;
    if (element === null) return;
    const measure = () => {
      setSeen((before) =>
        before.top === element.scrollTop && before.height === element.clientHeight
          ? before
          : { top: element.scrollTop, height: element.clientHeight },
      );
      const row = element.querySelector<HTMLElement>(".files-row");
      if (row !== null && row.offsetHeight > 0) setHeight(row.offsetHeight);
    };
    measure();
    element.addEventListener("scroll", measure, { passive: true });
    const observer = typeof ResizeObserver === "undefined" ? null : new ResizeObserver(measure);
    observer?.observe(element);
    return () => {
      element.removeEventListener("scroll", measure);
      observer?.disconnect();
    };
  }, [rows.length === 0]);

  // A row that has the focus may be gone: its neighbour then has it.
  const lastIndex = useRef(-1);
  useLayoutEffect(() => {
    if (index >= 0) lastIndex.current = index;
    else if (focused !== null && rows.length > 0 && editing === null) {
      setFocused(rows[Math.min(Math.max(lastIndex.current, 0), rows.length - 1)]?.path ?? null);
    }
  }, [index, focused, rows]);

  useLayoutEffect(() => {
    const element = scroll.current;
    if (!wanted.current || element === null || currentIndex < 0) return;
    const top = currentIndex * height;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + height > element.scrollTop + element.clientHeight)
      element.scrollTop = top + height - element.clientHeight;
    const row = element.querySelector<HTMLElement>('.files-row[tabindex="0"]');
    if (row === null || row.dataset.path !== current?.path) return;
    wanted.current = false;
    row.focus({ preventScroll: true });
  });

  useEffect(() => () => clearTimeout(opening.current?.timer), []);

  function focusRow(path: string): void {
    wanted.current = true;
    setFocused(path);
  }

  function openRow(row: Row): void {
    if (row.directory) {
      if (row.expanded) tree.collapse(row.path);
      else void tree.expand(row.path);
    } else if (!row.unreadable) open(row.path).catch((error: Error) => notify(error.message, "bad"));
  }

  async function moveInto(path: string, folder: string): Promise<void> {
    setHeld(null);
    if (parentOf(path) === folder || !mayMoveInto(path, folder)) return;
    const to = join(folder, nameOf(path));
    if (await move(path, to)) {
      if (folder !== "") await tree.expand(folder);
      focusRow(to);
    }
  }

  function finish(name: string | null, byKey: boolean): void {
    const was = editing;
    setEditing(null);
    if (was === null) return;
    if (name === null) {
      if (byKey && was.kind === "rename") focusRow(was.path);
      // A row that nobody has chosen must not become the place of the next new file.
      else if (byKey && focused === null) {
        scroll.current?.closest(".files")?.querySelector<HTMLElement>(".files-tools button")?.focus();
      } else if (byKey && current !== null) focusRow(current.path);
      return;
    }
    if (was.kind === "rename") {
      const to = join(parentOf(was.path), name);
      void move(was.path, to).then((moved) => {
        if (byKey) focusRow(moved ? to : was.path);
      });
      return;
    }
    const path = join(was.folder, name);
    void create(path, was.directory).then((made) => {
      if (!made) return;
      // A new file is open, and one goes on there; a new folder is where one is.
      if (was.directory) focusRow(path);
      else setFocused(path);
    });
  }

  function onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (target.tagName === "INPUT") return;
    // The row that has the focus: which one is to get it may have changed meanwhile.
    const path = target.closest<HTMLElement>(".files-row")?.dataset.path;
    const at = rows.findIndex((other) => other.path === path);
    const row = rows[at];
    if (row === undefined) return;
    const control = event.ctrlKey || event.metaKey;
    const go = (to: Row | undefined) => to !== undefined && focusRow(to.path);
    const page = Math.max(1, Math.floor(seen.height / height) - 1);
    if (control && !event.shiftKey && !event.altKey) {
      const key = event.key.toLowerCase();
      if (key === "x") setHeld(row.path);
      else if (key === "v" && held !== null) void moveInto(held, row.directory ? row.path : parentOf(row.path));
      else return;
      event.preventDefault();
      return;
    }
    if (event.altKey || control) return;
    switch (event.key) {
      case "ArrowDown":
        go(rows[at + 1]);
        break;
      case "ArrowUp":
        go(rows[at - 1]);
        break;
      case "PageDown":
        go(rows[Math.min(rows.length - 1, at + page)]);
        break;
      case "PageUp":
        go(rows[Math.max(0, at - page)]);
        break;
      case "Home":
        go(rows[0]);
        break;
      case "End":
        go(rows.at(-1));
        break;
      case "ArrowRight":
        if (row.directory && !row.expanded) void tree.expand(row.path);
        else if (row.directory && rows[at + 1]?.level === row.level + 1) go(rows[at + 1]);
        break;
      case "ArrowLeft":
        if (row.directory && row.expanded) tree.collapse(row.path);
        else go(rows.find((other) => other.path === parentOf(row.path)));
        break;
      case "Enter":
      case " ":
        openRow(row);
        break;
      case "F2":
        setEditing({ kind: "rename", path: row.path });
        break;
      case "Delete":
        void remove(row.path);
        break;
      case "Escape":
        if (held === null) return;
        setHeld(null);
        break;
      case "ContextMenu":
        openMenu(row, event.target as HTMLElement);
        break;
      case "F10":
        if (!event.shiftKey) return;
        openMenu(row, event.target as HTMLElement);
        break;
      default:
        if (event.key.length !== 1) return;
        typeAhead(event.key, at);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  function typeAhead(key: string, at: number): void {
    const now = Date.now();
    const text = (now - typed.current.at > TYPE_AHEAD_TIMEOUT_MS ? "" : typed.current.text) + key.toLowerCase();
    typed.current = { text, at: now };
    // One letter goes on to the next row; more of them stay while the row fits.
    const from = text.length === 1 ? at + 1 : at;
    const order = [...rows.slice(from), ...rows.slice(0, from)];
    const found = order.find(({ name }) => name.toLowerCase().startsWith(text));
    if (found !== undefined) focusRow(found.path);
  }

  function openMenu(row: Row, element: HTMLElement): void {
    const box = element.getBoundingClientRect();
    setFocused(row.path);
    setMenu({ row, x: box.left + 24, y: box.bottom });
  }

  function itemsOf(row: Row): MenuItem[] {
    const items: MenuItem[] = [];
    if (row.directory) {
      const there = row.path;
      items.push(
        { label: t("filesNewFileIn"), action: () => handle.current?.create(there, false) },
        { label: t("filesNewFolderIn"), action: () => handle.current?.create(there, true) },
        { label: t("filesUploadIn"), action: () => onUpload(there) },
      );
    }
    items.push(
      { label: t("filesRename"), keys: "F2", action: () => setEditing({ kind: "rename", path: row.path }) },
      {
        label: t("filesDuplicate"),
        action: () => void duplicate(row.path).then((copy) => copy !== null && focusRow(copy)),
      },
      { label: t("filesMove"), keys: shortcut("Ctrl+X"), action: () => setHeld(row.path) },
    );
    const into = row.directory ? row.path : parentOf(row.path);
    if (held !== null && held !== row.path && parentOf(held) !== into && mayMoveInto(held, into)) {
      const path = held;
      items.push({
        label: t("filesMoveHere", { name: nameOf(path) }),
        keys: shortcut("Ctrl+V"),
        action: () => void moveInto(path, into),
      });
    }
    if (!row.unreadable) {
      items.push({
        label: t(row.directory ? "filesDownloadZip" : "filesDownload"),
        action: () => download(row.path, row.directory),
      });
    }
    items.push({ label: t("filesDelete"), keys: "Del", dangerous: true, action: () => void remove(row.path) });
    return items;
  }

  function onDragOver(event: DragEvent): void {
    if (!drags(event)) return;
    event.preventDefault();
    const target = dropTarget(event);
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = isOurs(event) ? "move" : "copy";
    over.value = target.folder;
    if (opening.current?.path === target.row) return;
    clearTimeout(opening.current?.timer);
    opening.current = null;
    const row = rows.find(({ path }) => path === target.row);
    if (row?.directory && !row.expanded) {
      opening.current = { path: row.path, timer: setTimeout(() => void tree.expand(row.path), DRAG_OPEN_DELAY_MS) };
    }
  }

  function leave(): void {
    over.value = null;
    clearTimeout(opening.current?.timer);
    opening.current = null;
  }

  function onDrop(event: DragEvent): void {
    if (!drags(event) || event.dataTransfer === null) return;
    event.preventDefault();
    const { folder } = dropTarget(event);
    leave();
    const path = event.dataTransfer.getData(LOCAL_PATH_TYPE);
    if (path !== "") {
      // Another page may have written it: only what is in this tree is moved.
      if (tree.node(path) !== null) void moveInto(path, folder);
      return;
    }
    uploadDropped(dropOf(event.dataTransfer), folder);
  }

  // The rows in view, and the one that Tab leads to.
  const first = Math.max(0, Math.floor(seen.top / height) - OVERSCAN_ROWS);
  const last = Math.min(rows.length, Math.ceil((seen.top + seen.height) / height) + OVERSCAN_ROWS);
  const shown: { row: Row; at: number }[] = [];
  const add = (at: number) => {
    const row = rows[at];
    if (row !== undefined) shown.push({ row, at });
  };
  if (currentIndex >= 0 && currentIndex < first) add(currentIndex);
  for (let at = first; at < last; at += 1) add(at);
  if (currentIndex >= last) add(currentIndex);
  const offset = (at: number) => (newAt >= 0 && at >= newAt ? at + 1 : at) * height;
  const total = (rows.length + (newAt >= 0 ? 1 : 0)) * height;

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a place to drop things on; the buttons above do the same
    <div
      ref={scroll}
      class="files-scroll"
      data-drop={over.value === ""}
      onDragOver={onDragOver}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) leave();
      }}
      onDrop={onDrop}
    >
      {rows.length === 0 && editing === null && <Empty />}
      {(rows.length > 0 || editing !== null) && (
        <div
          class="files-rows"
          role="tree"
          aria-label={t("filesTree")}
          onKeyDown={onKey}
          style={{ height: `${total}px` }}
        >
          {newAt >= 0 && editing?.kind === "new" && (
            <div
              class="files-row files-row-new"
              role="treeitem"
              tabIndex={-1}
              aria-level={levelOf(editing.folder)}
              style={{ top: `${newAt * height}px`, "--files-level": levelOf(editing.folder) }}
            >
              <span class="files-arrow" />
              <NameInput
                key={editing.folder}
                label={t(editing.directory ? "filesNameNewFolder" : "filesNameNew")}
                initial=""
                directory={editing.directory}
                taken={(name) => tree.namesIn(editing.folder).has(name)}
                onDone={finish}
              />
            </div>
          )}
          {shown.map(({ row, at }) => (
            <TreeRow
              key={row.path}
              row={row}
              top={offset(at)}
              focusable={row === current}
              selected={row.path === activePath.value}
              held={held !== null && isWithin(row.path, held)}
              over={over.value !== null && over.value !== "" && isWithin(row.path, over.value)}
              onFocus={() => setFocused(row.path)}
              onOpen={() => openRow(row)}
              onMenu={(x, y) => {
                setFocused(row.path);
                setMenu({ row, x, y });
              }}
            >
              {editing?.kind === "rename" && editing.path === row.path ? (
                <NameInput
                  label={t("filesNameOf", { name: row.name })}
                  initial={row.name}
                  directory={row.directory}
                  taken={(name) => tree.namesIn(parentOf(row.path)).has(name)}
                  onDone={finish}
                />
              ) : null}
            </TreeRow>
          ))}
        </div>
      )}
      {menu !== null && (
        <Menu
          label={t("filesActionsOf", { name: menu.row.name })}
          x={menu.x}
          y={menu.y}
          items={itemsOf(menu.row)}
          onClose={(chosen) => {
            setMenu(null);
            if (!chosen) focusRow(menu.row.path);
          }}
        />
      )}
    </div>
  );
}

/** The row in front of which a new one is written: the first of its folder. */
function placeOfNew(rows: readonly Row[], folder: string): number {
  return folder === "" ? 0 : rows.findIndex(({ path }) => path === folder) + 1;
}

function levelOf(folder: string): number {
  return folder === "" ? 1 : folder.split("/").length + 1;
}

function Empty() {
  const known = tree.empty.value !== null;
  if (tree.error.value !== null && !known) return null;
  return (
    <div class="files-empty" role="status">
      <p>{t(known ? "filesEmpty" : "filesLoading")}</p>
      {known && <p>{t("filesEmptyHint")}</p>}
    </div>
  );
}
