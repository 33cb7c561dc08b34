/** The middle of the page: the tabs, the editor, and what is to be said about the file in front. */

import { useEffect, useRef, useState } from "preact/hooks";
import { nameOf } from "../files/names";
import { begin, documents, follow, nothingThere, restored, welcome } from "../files/workspace";
import { connection, link } from "../link";
import { t } from "../text";
import { notify } from "../ui/notices";
import { Bars } from "./Bars";
import { errorMessage, type OpenDocument } from "./document";
import type { Editor } from "./Editor";
import "./editor.css";
import { Tabs } from "./Tabs";

export function EditorPane() {
  useEffect(() => {
    begin();
    addEventListener("keydown", saveOnKey);
    return () => removeEventListener("keydown", saveOnKey);
  }, []);
  const document = documents.active.value;
  return (
    <div class="editor">
      <Tabs />
      {document === null ? <Nothing /> : <Shown document={document} />}
      <TextView document={document} />
    </div>
  );
}

function saveOnKey(event: KeyboardEvent): void {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  const document = documents.active.value;
  if (document === null) return;
  const name = nameOf(document.path.value);
  // Why it could not be saved is said above the text.
  document.save({ again: true }).then(
    () => notify(t("editorSaved", { name })),
    () => {},
  );
}

let loading: Promise<typeof import("./Editor")> | null = null;

/**
 * The editor is most of the page's code. It is fetched beside the rest, so that the page is seen
 * before.
 */
function load(): Promise<typeof import("./Editor")> {
  loading ??= import("./Editor").catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

/**
 * The text editor: one for all files, made when there is the first text, and hidden behind what is
 * no text.
 */
function TextView({ document }: { readonly document: OpenDocument | null }) {
  const box = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const [module, setModule] = useState<typeof import("./Editor") | null>(null);
  const [missing, setMissing] = useState(false);
  const view = document?.view.value;
  const shown = view === "text" || view === "foreign";
  const connected = connection.value.kind === "connected";

  useEffect(() => {
    // Again when the device is back, if it went away before it has sent the editor.
    if (module !== null) return;
    let gone = false;
    load().then(
      (loaded) => {
        if (!gone) setModule(loaded);
      },
      () => {
        if (!gone) setMissing(true);
      },
    );
    return () => {
      gone = true;
    };
  }, [module, connected]);

  useEffect(() => {
    if (!shown || document === null || module === null || box.current === null) return;
    editor.current ??= new module.Editor(box.current);
    editor.current.show(document);
  }, [document, shown, module]);

  useEffect(
    () => () => {
      editor.current?.dispose();
      editor.current = null;
    },
    [],
  );

  return (
    <div
      ref={box}
      class="editor-text"
      hidden={!shown}
      role="tabpanel"
      id="editor-panel"
      aria-label={document === null ? t("editorArea") : nameOf(document.path.value)}
    >
      {missing && module === null && <p class="editor-middle editor-quiet">{t("editorLoadFailedConnection")}</p>}
    </div>
  );
}

function Shown({ document }: { readonly document: OpenDocument }) {
  const path = document.path.value;
  const name = nameOf(path);
  const url = link.files.url(path);
  switch (document.view.value) {
    case "loading":
      return (
        <p class="editor-middle editor-quiet" role="status">
          {t("editorLoading", { name })}
        </p>
      );
    case "failed":
      return <LoadFailed document={document} name={name} />;
    case "image":
      return (
        <>
          <Bars document={document} />
          <Picture
            key={path}
            name={name}
            url={`${url}${url.includes("?") ? "&" : "?"}seen=${document.revision.value}`}
          />
        </>
      );
    case "binary":
    case "large":
      return (
        <>
          <Bars document={document} />
          <div class="editor-middle">
            <p>{t(document.view.value === "large" ? "editorLarge" : "editorBinary")}</p>
            <a class="editor-button" href={url} download={name}>
              {t("editorDownload")}
            </a>
          </div>
        </>
      );
    default:
      return <Bars document={document} />;
  }
}

function Picture({ name, url }: { readonly name: string; readonly url: string }) {
  const failed = useRef<HTMLParagraphElement>(null);
  return (
    <div class="editor-middle editor-picture">
      <img
        src={url}
        alt={t("editorImage", { name })}
        onLoad={() => failed.current?.setAttribute("hidden", "")}
        onError={() => failed.current?.removeAttribute("hidden")}
      />
      <p ref={failed} hidden>
        {t("editorImageFailed")}
      </p>
    </div>
  );
}

function LoadFailed({ document, name }: { readonly document: OpenDocument; readonly name: string }) {
  const problem = document.problem.value;
  const status = problem?.kind === "failed" ? problem.status : null;
  const text =
    status === null
      ? t("editorLoadFailedConnection")
      : status === 403
        ? t("editorLoadFailedRights")
        : problem?.kind === "failed"
          ? problem.message
          : "";
  return (
    <div class="editor-middle" role="alert">
      <h2>{t("editorLoadFailed", { name })}</h2>
      <p>{text}</p>
      <button type="button" onClick={() => void document.check()}>
        {t("editorTryAgain")}
      </button>
    </div>
  );
}

function Nothing() {
  // What to offer is only known when the work folder is.
  if (!restored.value || nothingThere.value === null) return <div class="editor-middle" />;
  const first = nothingThere.value;
  return (
    <div class="editor-middle">
      <h2>{t(first ? "editorNothing" : "editorNothingOpen")}</h2>
      <p class="editor-quiet">{t(first ? "editorNothingText" : "editorNothingOpenText")}</p>
      <button type="button" class="main" onClick={begun}>
        {t("editorNewProgram")}
      </button>
    </div>
  );
}

function begun(): void {
  welcome().catch((error: unknown) => {
    follow();
    notify(errorMessage(error), "bad");
  });
}
