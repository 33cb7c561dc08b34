/**
 * A time span for people, at most two units: `0.3 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `5 d 3 h`.
 * `ms` in milliseconds.
 */
export function duration(ms: number, locale: string): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(seconds)} s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0);
  return shown.map(([value, unit]) => `${value} ${unit}`).join(" ");
}
