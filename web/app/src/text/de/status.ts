import type { status as english } from "../en/status";

/** Deutsch: die Verbindung und das Gerät. */
export const status: Record<keyof typeof english, string> = {
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
  refused: "Das Gerät lässt diese Seite nicht herein. Seine Einstellungen bestimmen, wer es benutzen darf.",
  serverStopping: "Der Server auf dem Gerät wurde beendet.",
  serverFull: "Mit dem Gerät sind schon zu viele Seiten verbunden. Schließ eine davon.",
  device: "Gerät",
  cpu: "CPU {percent} %",
  cpuLong: "Prozessor: zu {percent} % ausgelastet, Zahl der Kerne: {cores}",
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
