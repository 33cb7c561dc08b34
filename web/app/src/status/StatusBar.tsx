import { connection } from "../link";
import { language, t } from "../text";
import { bytes } from "../ui/bytes";
import { duration } from "../ui/duration";
import "./status.css";
import { device } from "./status";

/** The line at the foot of the page: the connection, and how the device is. */
export function StatusBar() {
  const state = connection.value.kind;
  const found = device.value;
  const locale = language.value;
  return (
    <footer class="status" aria-label={t("device")}>
      <span class="status-connection" data-state={state} role="status">
        {t(state === "connected" ? "connected" : state === "connecting" ? "connecting" : "disconnected")}
      </span>
      {/* What it said of itself before the connection was lost is no news any more. */}
      {found !== null && state === "connected" && <DeviceLine key={locale} />}
    </footer>
  );
}

function DeviceLine() {
  const found = device.value;
  const locale = language.value;
  if (found === null) return null;
  const { cpu, memory, disk, temperature, battery, uptime } = found;
  const percent = (share: number) => Math.round(share * 100);
  const title = [
    found.model,
    found.system,
    uptime === null ? null : t("uptime", { time: duration(uptime * 1000, locale) }),
  ];
  return (
    <>
      <span class="status-name" title={title.filter((part) => part !== null).join("\n")}>
        {found.name}
      </span>
      {cpu.load !== null && (
        <span title={t("cpuLong", { percent: percent(cpu.load), cores: cpu.count })}>
          {t("cpu", { percent: percent(cpu.load) })}
        </span>
      )}
      {memory !== null && (
        <span
          class="status-memory"
          title={t("memoryLong", sizes(memory.total - memory.available, memory.total, locale))}
        >
          {t("memory", sizes(memory.total - memory.available, memory.total, locale))}
        </span>
      )}
      {temperature !== null && (
        <span title={t("temperatureLong", { degrees: Math.round(temperature) })}>
          {t("temperature", { degrees: Math.round(temperature) })}
        </span>
      )}
      {battery !== null && (
        <span
          class="status-battery"
          title={t(battery.charging ? "batteryCharging" : "batteryLong", { percent: percent(battery.level) })}
        >
          {battery.charging ? "⚡ " : "▮ "}
          {t("battery", { percent: percent(battery.level) })}
        </span>
      )}
      {disk !== null && (
        <span
          class="status-disk"
          title={t("diskLong", { free: bytes(disk.free, locale), total: bytes(disk.total, locale) })}
        >
          {t("disk", { free: bytes(disk.free, locale) })}
        </span>
      )}
      <span class="status-version">{t("version", { version: found.version })}</span>
    </>
  );
}

function sizes(used: number, total: number, locale: string) {
  return { used: bytes(used, locale), total: bytes(total, locale) };
}
