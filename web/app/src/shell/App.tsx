import { useEffect } from "preact/hooks";
import { EditorPane } from "../editor/EditorPane";
import { dropOf } from "../files/dropped-files";
import { FileTree } from "../files/FileTree";
import { uploadDropped } from "../files/upload-queue";
import { activePath } from "../files/workspace";
import { openShell, runActive } from "../run/launch";
import { RunArea } from "../run/RunArea";
import { isOver, runningOf, runs, shownRun, stop } from "../run/runs";
import { Banner } from "../status/Banner";
import { StatusBar } from "../status/StatusBar";
import { t } from "../text";
import { Questions } from "../ui/Dialog";
import { CodeIcon, FilesIcon, ShellIcon } from "../ui/icons";
import { Notices } from "../ui/Notices";
import { Splitter } from "../ui/Splitter";
import {
  AREAS,
  type Area,
  area,
  arrangement,
  EDITOR_SHARE,
  editorShare,
  FILES_WIDTH,
  filesShown,
  filesWidth,
  focusArea,
  reveal,
} from "./layout";
import { TopBar } from "./TopBar";

/** The page. All parts stay in it, whichever are seen, so that nothing in them is lost. */
export function App() {
  useEffect(() => {
    // Before the editor, to which Ctrl+Enter is a new line.
    addEventListener("keydown", onKey, true);
    // A file that is dropped beside the list of files is meant for it; a browser would leave the
    // page and show it.
    addEventListener("dragover", onDragOver, true);
    addEventListener("drop", onDrop, true);
    return () => {
      removeEventListener("keydown", onKey, true);
      removeEventListener("dragover", onDragOver, true);
      removeEventListener("drop", onDrop, true);
    };
  }, []);
  const shape = arrangement.value;
  const single = shape === "single";
  const seen = (part: Area) => (single ? area.value === part : part !== "files" || filesShown.value);
  return (
    <div class="page" data-arrangement={shape}>
      <TopBar />
      <Banner />
      <main class="areas">
        <section
          id="area-files"
          class="area area-files"
          tabIndex={-1}
          aria-label={t("files")}
          hidden={!seen("files")}
          style={single ? undefined : { width: `${filesWidth.value}px` }}
        >
          <FileTree />
        </section>
        {!single && filesShown.value && (
          <Splitter
            label={t("widthOfFiles")}
            value={filesWidth.value}
            {...FILES_WIDTH}
            step={20}
            scale={() => 1}
            onChange={(value) => {
              filesWidth.value = value;
            }}
          />
        )}
        <div class="area-pair" hidden={single && area.value === "files"}>
          <section
            id="area-program"
            class="area"
            tabIndex={-1}
            aria-label={t("program")}
            hidden={!seen("program")}
            style={single ? undefined : { flexGrow: editorShare.value }}
          >
            <EditorPane />
          </section>
          {!single && (
            <Splitter
              label={t("widthOfEditor")}
              value={editorShare.value}
              {...EDITOR_SHARE}
              step={5}
              horizontal={shape === "stacked"}
              scale={() => 100 / pairSize(shape === "stacked")}
              onChange={(value) => {
                editorShare.value = value;
              }}
            />
          )}
          <section
            id="area-output"
            class="area"
            tabIndex={-1}
            aria-label={t("output")}
            hidden={!seen("output")}
            style={single ? undefined : { flexGrow: 100 - editorShare.value }}
          >
            <RunArea />
          </section>
        </div>
      </main>
      {single && <AreaBar />}
      <StatusBar />
      <Notices />
      <Questions />
    </div>
  );
}

function pairSize(high: boolean): number {
  const box = document.querySelector(".area-pair")?.getBoundingClientRect();
  return Math.max(1, (high ? box?.height : box?.width) ?? 1);
}

const AREA_ICONS = { files: FilesIcon, program: CodeIcon, output: ShellIcon } as const;

/** On a narrow page: which part of it is seen. */
function AreaBar() {
  const busy = runs.value.some((run) => !isOver(run.state.value));
  return (
    <nav class="area-bar" aria-label={t("areas")}>
      {AREAS.map((part) => {
        const Icon = AREA_ICONS[part];
        return (
          <button
            key={part}
            type="button"
            aria-current={area.value === part ? "page" : undefined}
            onClick={() => {
              area.value = part;
            }}
          >
            <Icon />
            {t(part)}
            {part === "output" && busy && <span class="area-busy" aria-hidden="true" />}
          </button>
        );
      })}
    </nav>
  );
}

function isForTheFiles(event: DragEvent): boolean {
  const isFiles = event.dataTransfer?.types.includes("Files") ?? false;
  return isFiles && !(event.target instanceof Element && event.target.closest("#area-files") !== null);
}

function onDragOver(event: DragEvent): void {
  if (!isForTheFiles(event) || event.dataTransfer === null) return;
  event.preventDefault();
  event.stopPropagation();
  event.dataTransfer.dropEffect = "copy";
}

function onDrop(event: DragEvent): void {
  if (!isForTheFiles(event) || event.dataTransfer === null) return;
  event.preventDefault();
  event.stopPropagation();
  reveal("files");
  uploadDropped(dropOf(event.dataTransfer), "");
}

/** Keys that work everywhere on the page. */
function onKey(event: KeyboardEvent): void {
  const control = (event.ctrlKey || event.metaKey) && !event.altKey;
  // A key that is held down means one press; and what a dialog asks is answered first.
  const once = !event.repeat && document.querySelector("dialog[open]") === null;
  if (control && event.key === "Enter") void (once && runActive());
  else if (control && !event.shiftKey && event.key === ".") stopSeen();
  else if (control && event.shiftKey && event.code === "Backquote") void (once && openShell());
  else if (event.key === "F6" && (control || !isInTerminal(event))) focusNext(event.shiftKey ? -1 : 1);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Programs in a terminal have uses of their own for F6. */
function isInTerminal(event: KeyboardEvent): boolean {
  return event.target instanceof Element && event.target.closest(".xterm") !== null;
}

/** Stops the program whose file is in front, else the one whose output is. */
function stopSeen(): void {
  const path = activePath.value;
  const run = (path === null ? null : runningOf(path)) ?? shownRun.value;
  if (run !== null) stop(run);
}

function focusNext(by: number): void {
  const parts = AREAS.filter((part) => arrangement.value === "single" || part !== "files" || filesShown.value);
  const at = parts.findIndex((part) => document.getElementById(`area-${part}`)?.contains(document.activeElement));
  const next = parts[(at + by + parts.length) % parts.length];
  if (next !== undefined) focusArea(next);
}
