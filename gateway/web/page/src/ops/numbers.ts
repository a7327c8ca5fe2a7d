// Numbers as operators read them.

export function countText(value: number): string {
  if (value >= 0.05 && value < 9.95 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value).toLocaleString("en");
}

export function millisecondsText(value: number): string {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value).toLocaleString("en")} ms`;
}

export function shareText(value: number): string {
  return `${Math.round(value * 100)} %`;
}

export function bytesText(value: number | null): string {
  if (value === null) return "unknown";
  if (value < 2 ** 20) return `${countText(value / 2 ** 10)} kB`;
  return value < 2 ** 30 ? `${countText(value / 2 ** 20)} MB` : `${(value / 2 ** 30).toFixed(1)} GB`;
}

export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}

export function clockText(atMs: number): string {
  return new Date(atMs).toLocaleTimeString("en-GB");
}
