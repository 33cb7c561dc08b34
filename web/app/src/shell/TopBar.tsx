import { useSignal } from "@preact/signals";
import { RunBar } from "../run/RunBar";
import { t } from "../text";
import { FilesIcon, SettingsIcon } from "../ui/icons";
import { arrangement, filesShown } from "./layout";
import { SettingsDialog } from "./SettingsDialog";

/** The line at the head of the page. */
export function TopBar() {
  const settings = useSignal(false);
  return (
    <header class="top-bar">
      {arrangement.value !== "single" && (
        <button
          type="button"
          class="icon-button"
          aria-pressed={filesShown.value}
          aria-label={t(filesShown.value ? "hideFiles" : "showFiles")}
          title={t(filesShown.value ? "hideFiles" : "showFiles")}
          onClick={() => {
            filesShown.value = !filesShown.value;
          }}
        >
          <FilesIcon />
        </button>
      )}
      <h1>Further Link</h1>
      <RunBar />
      <button
        type="button"
        class="icon-button top-settings"
        aria-haspopup="dialog"
        aria-label={t("settings")}
        title={t("settings")}
        onClick={() => {
          settings.value = true;
        }}
      >
        <SettingsIcon />
      </button>
      {settings.value && <SettingsDialog onClose={() => (settings.value = false)} />}
    </header>
  );
}
