// Numbers and states as people say them.

import type { Age, Kind } from "./reading.js";

export const KIND_WORDS: Record<Kind, string> = {
  riding: "riding",
  parked: "parked",
  reserved: "reserved",
  broken: "out of order",
};

export const AGE_WORDS: Record<Age, string> = {
  fresh: "",
  stale: "not heard of lately",
  lost: "lost",
};

const COMPASS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

export function agoText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 2) return "now";
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

export function distanceText(meters: number): string {
  if (meters < 950) return `${Math.round(meters / 10) * 10} m`;
  return meters < 9_950 ? `${(meters / 1_000).toFixed(1)} km` : `${Math.round(meters / 1_000)} km`;
}

export function speedText(metersPerSecond: number): string {
  return `${Math.round(metersPerSecond * 3.6)} km/h`;
}

export function compassText(degrees: number): string {
  return COMPASS[Math.round(degrees / 45) % 8] as string;
}

export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}
