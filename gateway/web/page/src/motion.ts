// How a marker moves between two reports: pure rules, with time as an argument. The shader in sprites.ts computes
// the same `shownAt`; this one is for everything that has to know the place outside of it.
//
// Measured on recorded rides with a report every 6 s: holding the last place is 52 m wrong in the median, going on
// in a straight line 9 m. So a marker glides onto the line on which its bike is, and goes on along it; it freezes
// when two reports are overdue, because then nobody knows; it jumps when it would have to fly.

import { perMeter, type Place } from "./mercator.js";

export interface Track {
  from: Place;
  to: Place;
  /** World widths per ms, from `to` on. */
  velocity: Place;
  startMs: number;
  glideMs: number;
  /** Behind this time the marker stands still. */
  freezeMs: number;
  /** The usual time between two reports of this bike. */
  intervalMs: number;
}

export interface Report {
  place: Place;
  /** When it arrived, and when it was observed by the bike's own clock if that is known. */
  atMs: number;
  seenMs: number | undefined;
  /** m/s and degrees. */
  speed: number | undefined;
  heading: number | undefined;
  isMoving: boolean;
}

const LONGEST_GLIDE_MS = 2_000;
const LONGEST_FREEZE_MS = 30_000;
const FIRST_INTERVAL_MS = 2_000;
const SHORTEST_INTERVAL_MS = 250;
const LONGEST_INTERVAL_MS = 60_000;
const JUMP_METERS = 500;
const FASTEST_METERS_PER_MS = 0.025; // what would be faster is an error of measurement
const STILL: Place = { x: 0, y: 0 };

/** The track of a bike that is heard of for the first time. */
export function trackOf(report: Report): Track {
  const { place, atMs } = report;
  const velocity = report.isMoving ? velocityOf(report, undefined, FIRST_INTERVAL_MS) : STILL;
  return trackFrom(place, place, velocity, atMs, FIRST_INTERVAL_MS, false);
}

/** The track behind a newer report; `before` is the report that `track` was made of. */
export function trackAfter(track: Track, before: Report, report: Report): Track {
  const { place, atMs } = report;
  const shown = shownAt(track, atMs);
  const isJump = distanceMeters(shown, place) > JUMP_METERS;
  const gapMs = atMs - before.atMs;
  // the last gap counts for a third: one late report does not make a slow reporter
  const intervalMs = clamp(track.intervalMs + (gapMs - track.intervalMs) / 3, SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS);
  const ownGapMs = (report.seenMs ?? 0) - (before.seenMs ?? 0);
  const measuredMs = ownGapMs > 0 && ownGapMs < LONGEST_INTERVAL_MS ? ownGapMs : Math.max(gapMs, SHORTEST_INTERVAL_MS);
  const velocity = report.isMoving && !isJump ? velocityOf(report, before, measuredMs) : STILL;
  return trackFrom(isJump ? place : shown, place, velocity, atMs, intervalMs, isJump);
}

export function shownAt(track: Track, nowMs: number): Place {
  const agoMs = clamp(nowMs - track.startMs, 0, track.freezeMs);
  const share = track.glideMs > 0 ? Math.min(agoMs / track.glideMs, 1) : 1;
  const { from, to, velocity } = track;
  return {
    x: from.x + (to.x + velocity.x * agoMs - from.x) * share,
    y: from.y + (to.y + velocity.y * agoMs - from.y) * share,
  };
}

/** Until when the marker is on its way. */
export function restsAtMs(track: Track): number {
  const isStill = track.velocity.x === 0 && track.velocity.y === 0;
  return track.startMs + (isStill ? track.glideMs : track.freezeMs);
}

export function distanceMeters(one: Place, other: Place): number {
  return Math.hypot(one.x - other.x, one.y - other.y) / perMeter((one.y + other.y) / 2);
}

/** Degrees clockwise from north. */
export function headingOf(velocity: Place): number {
  return ((Math.atan2(velocity.x, -velocity.y) * 180) / Math.PI + 360) % 360;
}

function trackFrom(
  from: Place,
  to: Place,
  velocity: Place,
  startMs: number,
  intervalMs: number,
  isJump: boolean,
): Track {
  return {
    from,
    to,
    velocity,
    startMs,
    glideMs: isJump ? 0 : Math.min(intervalMs, LONGEST_GLIDE_MS),
    freezeMs: Math.min(2 * intervalMs, LONGEST_FREEZE_MS),
    intervalMs,
  };
}

/** What the bike says of its speed, else what two places say. */
function velocityOf(report: Report, before: Report | undefined, gapMs: number): Place {
  const { place, speed, heading } = report;
  if (speed !== undefined && heading !== undefined) {
    const length = Math.min(speed / 1_000, FASTEST_METERS_PER_MS) * perMeter(place.y);
    const angle = (heading * Math.PI) / 180;
    return { x: Math.sin(angle) * length, y: -Math.cos(angle) * length };
  }
  if (before === undefined || speed === 0) return STILL;
  const velocity = { x: (place.x - before.place.x) / gapMs, y: (place.y - before.place.y) / gapMs };
  return distanceMeters(place, before.place) / gapMs > FASTEST_METERS_PER_MS ? STILL : velocity;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}
