// What is wrong, in words: lights, and the faults behind them. No browser is needed here.

import type { Overview, WorkerLine } from "@paceline/client/reports";
import { speaks } from "./history.js";

export type Light = "good" | "wait" | "bad";

export interface Lamp {
  name: string;
  light: Light;
  text: string;
}

export interface Fault {
  id: string; // the same for as long as it lasts
  text: string;
}

const LATE_SECONDS = 0.25;
const BUSY_SHARE = 0.9;

export const STATE_WORDS: Record<WorkerLine["state"], string> = {
  accepting: "accepting",
  draining: "draining",
  left: "has left",
  gone: "gone",
  unheard: "not to be heard",
};

export function lightOf(worker: WorkerLine): Light {
  if (worker.state === "accepting") return "good";
  return worker.state === "gone" ? "bad" : "wait";
}

export function lampsOf({ workers }: Overview): Lamp[] {
  const speaking = workers.filter(speaks);
  const gone = workers.filter(({ state }) => state === "gone").length;
  const counts = countWords(workers);
  const brokers = speaking.map(({ broker }) => broker);
  const isEmbedded = brokers.every(({ kind }) => kind === "embedded");
  const ill = brokers.filter(({ isWell }) => !isWell).length;
  const silent = Math.max(0, ...brokers.map(({ silentSeconds }) => silentSeconds ?? 0));
  const waiting = brokers.reduce((sum, broker) => sum + (broker.waiting ?? 0), 0);
  const storeless = speaking.filter(({ isStoreWell }) => !isStoreWell).length;
  const isAllAccepting = speaking.length === workers.length && speaking.every(({ state }) => state === "accepting");
  return [
    { name: "Workers", light: gone ? "bad" : isAllAccepting ? "good" : "wait", text: counts },
    isEmbedded
      ? { name: "Broker", light: "good", text: "embedded, in this one process" }
      : {
          name: "Redis",
          light: ill ? "bad" : "good",
          text: ill
            ? `away for ${ill === speaking.length ? "every worker" : `${ill} of ${speaking.length} workers`}`
            : `connected; last beat ${silent.toFixed(1)} s ago, ${waiting} waiting`,
        },
    {
      name: "User store",
      light: storeless ? "bad" : "good",
      text: storeless ? `away for ${storeless} of ${speaking.length} workers` : "answers",
    },
  ];
}

export function faultsOf({ workers }: Overview): Fault[] {
  return workers.flatMap((worker) => {
    const name = `Worker ${worker.workerId} (slot ${worker.slot} on ${worker.host})`;
    const fault = (kind: string, text: string): Fault => ({ id: `${kind} ${worker.workerId}`, text: `${name} ${text}` });
    if (worker.state === "gone") return [fault("gone", "is gone: it fell silent without a word.")];
    if (worker.state === "unheard") return [fault("unheard", "is not to be heard while Redis is away; it may be well.")];
    if (worker.state === "left") return [];
    const found: Fault[] = [];
    if (!worker.broker.isWell) found.push(fault("redis", "is cut off from Redis: publishing is refused, sockets stay."));
    if (!worker.isStoreWell) found.push(fault("store", "cannot reach the user store: tokens are believed by themselves."));
    if (worker.lagSeconds > LATE_SECONDS) found.push(fault("late", `woke ${worker.lagSeconds.toFixed(2)} s late.`));
    if (worker.busyShare > BUSY_SHARE) found.push(fault("busy", "has no processor time left: add workers."));
    return found;
  });
}

function countWords(workers: WorkerLine[]): string {
  const counts = new Map<string, number>();
  for (const { state } of workers) counts.set(STATE_WORDS[state], (counts.get(STATE_WORDS[state]) ?? 0) + 1);
  return [...counts].map(([word, count]) => `${count} ${word}`).join(", ") || "none";
}
