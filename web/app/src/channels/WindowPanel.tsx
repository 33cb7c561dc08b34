import { t } from "../text";
import type { WindowPage } from "./windows";

/** The address of a page that the device serves on another port. */
export function addressOf(
  { port, path }: WindowPage,
  here: Pick<Location, "protocol" | "hostname"> = location,
): string {
  const host = here.hostname.includes(":") && !here.hostname.startsWith("[") ? `[${here.hostname}]` : here.hostname;
  const address = new URL(`${here.protocol}//${host}:${port}`);
  const question = path.indexOf("?");
  address.pathname = question < 0 ? path : path.slice(0, question);
  if (question >= 0) address.search = path.slice(question);
  return address.href;
}

export function WindowPanel({ pages }: { readonly pages: readonly WindowPage[] }) {
  return (
    <section class="channels-card" data-kind="windows" aria-label={t("windowsTitle")}>
      <header class="channels-card-head">
        <h2>{t("windowsTitle")}</h2>
      </header>
      <div class="channels-card-body">
        <p>{t("windowsText")}</p>
        {pages.map((page) => (
          <a key={`${page.port}${page.path}`} href={addressOf(page)} target="_blank" rel="noopener noreferrer">
            {t("windowsOpen")}
          </a>
        ))}
      </div>
    </section>
  );
}
