const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A number of bytes for people, by thousands: `512 MB`, `1.9 GB`. */
export function bytes(count: number, locale: string): string {
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${BYTE_UNITS[unit]}`;
}
