import { chooseLanguage, type Language, language, languages, type PlainKey, t } from "../text";
import { Dialog } from "../ui/Dialog";
import { shortcut } from "../ui/shortcut";
import { TEXT_SIZES, type Theme, textSize, theme } from "./settings";

const THEME_NAMES: readonly [Theme, PlainKey][] = [
  ["system", "themeSystem"],
  ["light", "themeLight"],
  ["dark", "themeDark"],
];

const SHORTCUT_KEYS: readonly [string, PlainKey][] = [
  ["Ctrl+Enter", "keysRun"],
  ["Ctrl+.", "keysStop"],
  ["Ctrl+S", "keysSave"],
  ["Ctrl+F", "keysSearch"],
  ["Ctrl+Shift+` / ^", "keysShell"],
  ["Ctrl+F6", "keysNextArea"],
  ["Esc, Tab", "keysLeaveEditor"],
];

export function SettingsDialog({ onClose }: { readonly onClose: () => void }) {
  const resize = (by: number) => {
    textSize.value = Math.min(TEXT_SIZES.largest, Math.max(TEXT_SIZES.smallest, textSize.value + by));
  };
  return (
    <Dialog title={t("settings")} onClose={onClose}>
      <label class="field">
        <span>{t("language")}</span>
        <select
          value={language.value}
          onChange={({ currentTarget }) => chooseLanguage(currentTarget.value as Language)}
        >
          {Object.entries(languages).map(([code, name]) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label class="field">
        <span>{t("theme")}</span>
        <select
          value={theme.value}
          onChange={({ currentTarget }) => {
            theme.value = currentTarget.value as Theme;
          }}
        >
          {THEME_NAMES.map(([value, key]) => (
            <option key={value} value={value}>
              {t(key)}
            </option>
          ))}
        </select>
      </label>
      <div class="field" role="group" aria-label={t("textSize")}>
        <span>{t("textSize")}</span>
        <span class="settings-size">
          <button type="button" onClick={() => resize(-1)}>
            {t("smaller")}
          </button>
          <output>{textSize.value} px</output>
          <button type="button" onClick={() => resize(1)}>
            {t("larger")}
          </button>
        </span>
      </div>
      <details>
        <summary>{t("keyboardHelp")}</summary>
        <dl class="settings-keys">
          {SHORTCUT_KEYS.map(([keys, key]) => (
            <div key={key}>
              <dt>
                <kbd>{shortcut(keys)}</kbd>
              </dt>
              <dd>{t(key)}</dd>
            </div>
          ))}
        </dl>
      </details>
      <div class="dialog-buttons">
        <button type="button" class="main" onClick={onClose}>
          {t("done")}
        </button>
      </div>
    </Dialog>
  );
}
