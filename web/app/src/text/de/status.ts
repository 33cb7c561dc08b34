import type { status as measure } from "../en/status";

/** Deutsch: die Verbindung und das Gerät. */
export const status: Record<keyof typeof measure, string> = {
  connected: "Verbunden",
  connecting: "Verbindet …",
  disconnected: "Nicht verbunden",
  lostBanner: "Die Verbindung zum Gerät ging verloren.",
  neverBanner: "Es gibt keine Verbindung zum Gerät.",
  retryIn: "Nächster Versuch in {seconds} s.",
  retrying: "Neuer Versuch …",
  tryNow: "Jetzt versuchen",
  stoppedPrograms:
    "Das Gerät stoppt die Programme dieser Seite; von dem, was du geschrieben hast, geht nichts verloren.",
  back: "Wieder verbunden. Programme, die liefen, wurden gestoppt; starte sie neu.",
  backIdle: "Wieder verbunden.",
  serverStopping: "Der Server auf dem Gerät wurde beendet.",
  serverFull: "Das Gerät hat schon zu viele Verbindungen.",
  device: "Gerät",
  cpu: "CPU {percent} %",
  cpuLong: "Prozessor: {percent} % von {count} Kernen",
  memory: "{used} von {total}",
  memoryLong: "Arbeitsspeicher: {used} von {total} belegt",
  disk: "{free} frei",
  diskLong: "Speicherplatz: {free} von {total} frei",
  temperature: "{degrees} °C",
  temperatureLong: "Temperatur: {degrees} °C",
  battery: "{percent} %",
  batteryLong: "Akku: {percent} %",
  batteryCharging: "Akku: {percent} %, lädt",
  version: "Further Link {version}",
  uptime: "Läuft seit {time}",
};
