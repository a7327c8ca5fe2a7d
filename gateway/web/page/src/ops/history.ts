// What the page remembers: a quarter of an hour of reports, one a second. No browser is needed here.

import type { Overview, WorkerLine } from "@paceline/client/reports";

export const KEPT_SECONDS = 900;
const GAP_MS = 2_500;

/** One value for each report; null where none came. */
export type Row = (number | null)[];

const SILENT = new Set<WorkerLine["state"]>(["gone", "left", "unheard"]);

/** Whether a worker has told of itself within the last seconds. */
export function speaks(worker: WorkerLine): boolean {
  return !SILENT.has(worker.state);
}

export function deliveriesOf(worker: WorkerLine): number {
  return worker.fastPerSecond + worker.slowPerSecond;
}

interface Sample {
  atMs: number;
  overview: Overview | undefined;
}

export class History {
  private samples: Sample[] = [];

  get newest(): Overview | undefined {
    return this.samples.at(-1)?.overview;
  }

  /** Take a report in; where some were missed a gap is left. */
  add(overview: Overview): void {
    const last = this.samples.at(-1);
    // another worker's clock may be behind; an axis never goes back
    const atMs = last ? Math.max(overview.atMs, last.atMs + 1) : overview.atMs;
    if (last && atMs - last.atMs > GAP_MS) this.samples.push({ atMs: last.atMs + 1_000, overview: undefined });
    this.samples.push({ atMs, overview });
    const oldest = atMs - KEPT_SECONDS * 1_000;
    const first = this.samples.findIndex((sample) => sample.atMs >= oldest);
    if (first > 0) this.samples.splice(0, first);
  }

  clear(): void {
    this.samples = [];
  }

  /** When the reports of the last seconds came, in seconds since 1970. */
  times(seconds: number): number[] {
    return this.within(seconds).map(({ atMs }) => atMs / 1_000);
  }

  /** A value of each report. */
  row(seconds: number, valueOf: (overview: Overview) => number | null): Row {
    return this.within(seconds).map(({ overview }) => (overview ? valueOf(overview) : null));
  }

  /** A number of all workers that speak, added up. */
  total(seconds: number, valueOf: (worker: WorkerLine) => number): Row {
    return this.row(seconds, ({ workers }) => workers.filter(speaks).reduce((sum, worker) => sum + valueOf(worker), 0));
  }

  /** A number of one worker; null while it does not speak. */
  ofWorker(seconds: number, workerId: string, valueOf: (worker: WorkerLine) => number): Row {
    return this.row(seconds, ({ workers }) => {
      const worker = workers.find((each) => each.workerId === workerId);
      return worker && speaks(worker) ? valueOf(worker) : null;
    });
  }

  /** Counts by label, added up over the last seconds, the largest first. */
  counted(seconds: number, countsOf: (overview: Overview) => Record<string, number>): [string, number][] {
    const sums = new Map<string, number>();
    for (const { overview } of this.within(seconds)) {
      for (const [label, count] of Object.entries(overview ? countsOf(overview) : {})) {
        sums.set(label, (sums.get(label) ?? 0) + count);
      }
    }
    return [...sums].sort(([, one], [, other]) => other - one);
  }

  private within(seconds: number): Sample[] {
    const newest = this.samples.at(-1)?.atMs ?? 0;
    return this.samples.filter(({ atMs }) => atMs >= newest - seconds * 1_000);
  }
}
