/** Numbers and times as the pages show them. */

const amount = (digits: number) => new Intl.NumberFormat('en', { maximumFractionDigits: digits });
const whole = amount(0);
const precise = amount(3);

export const formatCount = (value: number): string => whole.format(value);

/** With as many digits as tell something. */
export const formatAmount = (value: number): string =>
  amount(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2).format(value);

export const formatPrecise = (value: number): string => precise.format(value);

export const formatMs = (ms: number): string =>
  ms >= 1000 ? `${formatAmount(ms / 1000)} s` : `${formatAmount(ms)} ms`;

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  const power = Math.min(Math.max(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), 0), units.length - 1);
  return `${formatAmount(bytes / 1000 ** power)} ${units[power]}`;
}

export function formatPercent(share: number): string {
  const percent = 100 * share;
  if (percent > 0 && percent < 0.01) return '< 0.01%';
  return `${amount(percent >= 10 ? 0 : percent >= 1 ? 1 : 2).format(percent)}%`;
}

export function formatDuration(seconds: number): string {
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

/** A moment in the reader's time zone. */
export const formatTime = (iso: string): string =>
  new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' }).format(new Date(iso));
