/** The files of the device: buttons, the tree, and what is being uploaded. */

import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../text";
import { download } from "./actions";
import { parcelOf } from "./dropped-files";
import { errorReason } from "./error-messages";
import { MoreIcon, NewFileIcon, NewFolderIcon, UploadIcon } from "./icons";
import { Menu } from "./Menu";
import { nameOf } from "./names";
import { Rows, type RowsHandle } from "./Rows";
import { uploadChosen } from "./upload-queue";
import "./tree.css";
import { UploadBar } from "./UploadBar";
import { begin, follow, tree } from "./workspace";

export function FileTree() {
  useEffect(begin, []);
  const rows = useRef<RowsHandle | null>(null);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  /** Where what is chosen goes. */
  const target = useRef("");
  const more = useRef<HTMLButtonElement>(null);
  const [menu, setMenu] = useState<{ x: number; y: number } | null>(null);

  function choose(input: HTMLInputElement | null, into: string): void {
    target.current = into;
    input?.click();
  }

  function chosen(event: Event & { readonly currentTarget: HTMLInputElement }): void {
    const list = [...(event.currentTarget.files ?? [])];
    // The same can be chosen again.
    event.currentTarget.value = "";
    if (list.length > 0) uploadChosen(() => parcelOf(list), target.current);
  }

  const here = () => rows.current?.folder() ?? "";
  return (
    <div class="files">
      <div class="files-tools" role="toolbar" aria-label={t("filesTools")} onKeyDown={alongToolbar}>
        <Tool label={t("filesNewFile")} first onPress={() => rows.current?.create(here(), false)}>
          <NewFileIcon />
        </Tool>
        <Tool label={t("filesNewFolder")} onPress={() => rows.current?.create(here(), true)}>
          <NewFolderIcon />
        </Tool>
        <Tool label={t("filesUpload")} onPress={() => choose(files.current, here())}>
          <UploadIcon />
        </Tool>
        <button
          ref={more}
          type="button"
          class="icon-button"
          tabIndex={-1}
          aria-haspopup="menu"
          aria-expanded={menu !== null}
          aria-label={t("filesMore")}
          title={t("filesMore")}
          onClick={(event) => {
            const box = event.currentTarget.getBoundingClientRect();
            setMenu({ x: box.left, y: box.bottom });
          }}
        >
          <MoreIcon />
        </button>
      </div>
      <Trouble />
      <Rows handle={rows} onUpload={(into) => choose(files.current, into)} />
      <UploadBar />
      <input ref={files} type="file" multiple hidden onChange={chosen} />
      <input
        ref={(element) => {
          folder.current = element;
          element?.setAttribute("webkitdirectory", "");
        }}
        type="file"
        hidden
        onChange={chosen}
      />
      {menu !== null && (
        <Menu
          label={t("filesMore")}
          {...menu}
          items={[
            { label: t("filesUploadFolder"), action: () => choose(folder.current, here()) },
            {
              label: t("filesHidden"),
              checked: tree.hiddenShown.value,
              action: () => {
                tree.hiddenShown.value = !tree.hiddenShown.value;
              },
            },
            { label: t("filesRefresh"), action: follow },
            { label: t("filesDownloadAll"), action: () => download("", true) },
          ]}
          onClose={() => {
            setMenu(null);
            more.current?.focus();
          }}
        />
      )}
    </div>
  );
}

interface ToolProps {
  readonly label: string;
  readonly first?: boolean;
  readonly onPress: () => void;
  readonly children: preact.ComponentChildren;
}

function Tool({ label, first = false, onPress, children }: ToolProps) {
  return (
    <button
      type="button"
      class="icon-button"
      tabIndex={first ? 0 : -1}
      aria-label={label}
      title={label}
      onClick={onPress}
    >
      {children}
    </button>
  );
}

/** The arrow keys lead from button to button; Tab leads out. */
function alongToolbar(event: KeyboardEvent & { readonly currentTarget: HTMLElement }): void {
  const buttons = [...event.currentTarget.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
  let next = at;
  if (event.key === "ArrowRight") next = (at + 1) % buttons.length;
  else if (event.key === "ArrowLeft") next = (at - 1 + buttons.length) % buttons.length;
  else if (event.key === "Home") next = 0;
  else if (event.key === "End") next = buttons.length - 1;
  else return;
  event.preventDefault();
  buttons.forEach((button, index) => {
    button.tabIndex = index === next ? 0 : -1;
  });
  buttons[next]?.focus();
}

function Trouble() {
  const error = tree.error.value;
  if (error !== null) {
    return (
      <div class="files-trouble" role="status">
        <p>{t("filesListFailed", { reason: errorReason(error) })}</p>
        <button type="button" onClick={follow}>
          {t("filesRefresh")}
        </button>
      </div>
    );
  }
  if (!tree.unfollowed.value) return <Truncated />;
  return (
    <div class="files-trouble" role="status">
      <p>{t("filesUnfollowed")}</p>
      <button type="button" onClick={follow}>
        {t("filesRefresh")}
      </button>
    </div>
  );
}

/** What the tree does not show, so that nobody takes a file for gone. */
function Truncated() {
  const folders = tree.truncated.value;
  if (folders.length === 0) return null;
  return (
    <div class="files-trouble" role="status">
      {folders.map((folder) => (
        <p key={folder}>{t("filesTruncated", { name: nameOf(folder) || t("filesExistsTop") })}</p>
      ))}
    </div>
  );
}
