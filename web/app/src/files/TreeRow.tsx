/** A file or folder of the tree. */

import type { ComponentChildren } from "preact";
import { isImage } from "../editor/content";
import { t } from "../text";
import { LOCAL_PATH_TYPE } from "./drag-and-drop";
import { ArrowIcon, FileIcon, FolderIcon, MoreIcon, PictureIcon, ProgramIcon } from "./icons";
import { extensionOf } from "./names";
import type { Row } from "./tree";

interface TreeRowProps {
  readonly row: Row;
  /** px from the beginning of the tree. */
  readonly top: number;
  readonly focusable: boolean;
  readonly selected: boolean;
  /** Marked to be moved. */
  readonly held: boolean;
  /** Something that is dragged would go here. */
  readonly over: boolean;
  readonly onFocus: () => void;
  readonly onOpen: () => void;
  /** `x` and `y` of the window. */
  readonly onMenu: (x: number, y: number) => void;
  /** In place of its name. */
  readonly children: ComponentChildren;
}

const PROGRAM_EXTENSIONS = new Set(
  ".py .js .mjs .ts .sh .c .cpp .rs .go .rb .pl .php .lua .java .html .css".split(" "),
);

export function TreeRow(props: TreeRowProps) {
  const { row, top, focusable, selected, held, over, onFocus, onOpen, onMenu, children } = props;
  const notes = [
    row.link === null ? null : t("filesLink", { target: row.link }),
    row.unreadable ? t("filesUnreadable") : null,
  ].filter((note) => note !== null);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree around it has the keys of all rows
    <div
      class="files-row"
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={row.directory ? row.expanded : undefined}
      aria-selected={selected}
      aria-busy={row.loading ? true : undefined}
      // While it is renamed, its name is what is being typed, and what is wrong with that.
      aria-label={children === null ? [row.name, ...notes].join(", ") : undefined}
      tabIndex={focusable ? 0 : -1}
      title={notes.length > 0 ? `${row.name} (${notes.join(", ")})` : row.name}
      data-path={row.path}
      data-directory={row.directory}
      data-held={held}
      data-over={over}
      data-unreadable={row.unreadable}
      style={{ top: `${top}px`, "--files-level": row.level }}
      draggable={children === null}
      onDragStart={(event) => {
        event.dataTransfer?.setData(LOCAL_PATH_TYPE, row.path);
        if (event.dataTransfer !== null) event.dataTransfer.effectAllowed = "move";
      }}
      onFocus={onFocus}
      onClick={children === null ? onOpen : undefined}
      onContextMenu={(event) => {
        if (children !== null) return;
        event.preventDefault();
        onMenu(event.clientX, event.clientY);
      }}
    >
      <span class="files-arrow">{row.directory && <ArrowIcon />}</span>
      <Picture row={row} />
      {children ?? <span class="files-label">{row.name}</span>}
      {children === null && (
        <button
          type="button"
          class="files-more icon-button"
          tabIndex={-1}
          aria-label={t("filesActionsOf", { name: row.name })}
          onClick={(event) => {
            event.stopPropagation();
            const box = event.currentTarget.getBoundingClientRect();
            onMenu(box.left, box.bottom);
          }}
        >
          <MoreIcon />
        </button>
      )}
    </div>
  );
}

function Picture({ row }: { readonly row: Row }) {
  if (row.directory) return <FolderIcon />;
  if (isImage(row.name)) return <PictureIcon />;
  return PROGRAM_EXTENSIONS.has(extensionOf(row.name).toLowerCase()) ? <ProgramIcon /> : <FileIcon />;
}
