// What a bike's or station's object says, as far as the map shows it: anything may be absent, or of another type.

import type { Bike } from "@paceline/client";

/** What the map tells apart. Everything else of a bike's state is words on its card. */
export type Kind = "riding" | "parked" | "reserved" | "broken";

export interface Reading {
  lat: number;
  lon: number;
  kind: Kind;
  /** m/s and degrees clockwise from north; undefined when the bike does not say. */
  speed: number | undefined;
  heading: number | undefined;
  /** When it was observed, in ms since 1970, by the bike's own clock; undefined when it does not say. */
  seenMs: number | undefined;
}

export interface Freshness {
  freshMs: number;
  lostMs: number;
}

/** How old a report may be: of a moving bike seconds, of a parked one hours (it has nothing to tell). */
export const FRESHNESS: Record<"moving" | "parked" | "station", Freshness> = {
  moving: { freshMs: 30_000, lostMs: 180_000 },
  parked: { freshMs: 3_600_000, lostMs: 86_400_000 },
  station: { freshMs: 300_000, lostMs: 3_600_000 },
};

export type Age = "fresh" | "stale" | "lost";

const BROKEN = new Set(["non_operational", "non_contactable", "missing", "removed"]);
const RIDING = new Set(["on_trip", "stopped"]);
const FIRST_DAY_MS = 86_400_000; // real feeds say 0 or 86400 for "never"
const LEAST_SPEED = 0.3;

/** Undefined when the object has no place. */
export function readingOf(bike: Bike): Reading | undefined {
  const lat = numberIn(bike["lat"], -85, 85);
  const lon = numberIn(bike["lon"], -180, 180);
  if (lat === undefined || lon === undefined) return undefined;
  const speed = numberIn(bike["speed"], 0, 60);
  return {
    lat,
    lon,
    kind: kindOf(bike, speed),
    speed,
    heading: numberIn(bike["heading"], 0, 360),
    seenMs: seenMsOf(bike),
  };
}

function kindOf(bike: Bike, speed: number | undefined): Kind {
  const state = bike["vehicle_state"];
  if (typeof state === "string") {
    if (RIDING.has(state)) return "riding";
    if (BROKEN.has(state)) return "broken";
    if (state === "reserved") return "reserved";
  }
  if (isTrue(bike["is_disabled"])) return "broken";
  if (isTrue(bike["is_reserved"])) return "reserved";
  return speed !== undefined && speed > LEAST_SPEED ? "riding" : "parked";
}

/** `timestamp` is in ms or text, `last_reported` in seconds or text. */
export function seenMsOf(bike: Bike): number | undefined {
  return momentOf(bike["timestamp"], 1) ?? momentOf(bike["last_reported"], 1_000);
}

function momentOf(value: unknown, msPerUnit: number): number | undefined {
  const ms = typeof value === "number" ? value * msPerUnit : typeof value === "string" ? Date.parse(value) : NaN;
  return ms > FIRST_DAY_MS ? ms : undefined;
}

export function ageOf(agoMs: number, freshness: Freshness): Age {
  return agoMs <= freshness.freshMs ? "fresh" : agoMs <= freshness.lostMs ? "stale" : "lost";
}

export function numberIn(value: unknown, least: number, most: number): number | undefined {
  return typeof value === "number" && value >= least && value <= most ? value : undefined;
}

/** Real feeds write 0 and 1 for false and true. */
export function isTrue(value: unknown): boolean {
  return value === true || value === 1;
}
