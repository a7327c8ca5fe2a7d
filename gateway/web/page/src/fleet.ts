// The bikes that the map shows: each with its track, its look, and how old it is.

import type { Bike } from "@paceline/client";
import { placeOf, type Place } from "./mercator.js";
import { headingOf, shownAt, trackAfter, trackOf, type Report, type Track } from "./motion.js";
import { ageOf, FRESHNESS, readingOf, type Age, type Freshness, type Kind } from "./reading.js";

export interface Shown {
  readonly id: string;
  track: Track;
  report: Report;
  kind: Kind;
  /** Degrees, or undefined when it stands or nobody knows. */
  heading: number | undefined;
  /** When it was last seen, on the page's clock. */
  seenAtMs: number;
  freshness: Freshness;
}

export interface Counts extends Record<Kind, number> {
  stale: number;
  lost: number;
}

/** Hears of every bike that looks or moves differently from now on, or is gone. */
export interface Stage {
  show(bike: Shown): void;
  hide(id: string): void;
  clear(): void;
}

export class Fleet {
  readonly bikes = new Map<string, Shown>();
  private readonly stages: readonly Stage[];

  constructor(stages: readonly Stage[]) {
    this.stages = stages;
  }

  /** `nowMs` is of the page's own clock (`performance.now`), `wallMs` of the machine's (`Date.now`). */
  set(id: string, bike: Bike, nowMs: number, wallMs: number): void {
    const reading = readingOf(bike);
    if (reading === undefined) {
      this.delete(id);
      return;
    }
    const { kind, speed, heading, seenMs } = reading;
    const isMoving = kind === "riding" && speed !== 0;
    const place = placeOf(reading.lon, reading.lat);
    const report: Report = { place, atMs: nowMs, seenMs, speed, heading, isMoving };
    const known = this.bikes.get(id);
    const track = known ? trackAfter(known.track, known.report, report) : trackOf(report);
    const hasVelocity = track.velocity.x !== 0 || track.velocity.y !== 0;
    const shown: Shown = {
      id,
      track,
      report,
      kind,
      heading: hasVelocity ? headingOf(track.velocity) : kind === "riding" ? (heading ?? known?.heading) : undefined,
      // a clock that goes ahead of ours does not make a bike fresher than now
      seenAtMs: nowMs - Math.max(0, wallMs - (seenMs ?? wallMs)),
      freshness: kind === "riding" ? FRESHNESS.moving : FRESHNESS.parked,
    };
    this.bikes.set(id, shown);
    for (const stage of this.stages) stage.show(shown);
  }

  delete(id: string): void {
    if (this.bikes.delete(id)) for (const stage of this.stages) stage.hide(id);
  }

  replace(bikes: ReadonlyMap<string, Bike>, nowMs: number, wallMs: number): void {
    for (const id of [...this.bikes.keys()]) if (!bikes.has(id)) this.delete(id);
    for (const [id, bike] of bikes) this.set(id, bike, nowMs, wallMs);
  }

  clear(): void {
    this.bikes.clear();
    for (const stage of this.stages) stage.clear();
  }

  counts(nowMs: number): Counts {
    const counts: Counts = { riding: 0, parked: 0, reserved: 0, broken: 0, stale: 0, lost: 0 };
    for (const bike of this.bikes.values()) {
      counts[bike.kind] += 1;
      const age = ageAt(bike, nowMs);
      if (age !== "fresh") counts[age] += 1;
    }
    return counts;
  }

  /** The bike that is shown nearest to a place, within a distance in world widths. */
  nearest(place: Place, within: number, nowMs: number): Shown | undefined {
    let best: Shown | undefined;
    let bestSquare = within * within;
    for (const bike of this.bikes.values()) {
      const at = shownAt(bike.track, nowMs);
      const square = (at.x - place.x) ** 2 + (at.y - place.y) ** 2;
      if (square < bestSquare) [best, bestSquare] = [bike, square];
    }
    return best;
  }
}

export function ageAt(bike: Shown, nowMs: number): Age {
  return ageOf(nowMs - bike.seenAtMs, bike.freshness);
}
