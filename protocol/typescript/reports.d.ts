// Generated from protocol/reports.py by `python -m protocol.generate`. Do not edit.

import type { Member } from "./events.js";

/** How one worker and its broker stand with each other. */
export interface BrokerPulse {
  kind: "embedded" | "redis";
  isWell: boolean;
  silentSeconds?: number | null;
  waiting?: number;
}

/** From publishing to delivery, in milliseconds; of which share of deliveries says the name. */
export interface Latency {
  p50Ms: number;
  p99Ms: number;
}

/** One worker. `busy_share` is of one processor; its loop woke `lag_seconds` late, at most. */
export interface WorkerLine {
  workerId: string;
  host: string;
  slot: number;
  processId: number;
  version: string;
  startedAtMs: number;
  state: "accepting" | "draining" | "gone" | "left" | "unheard";
  heardMsAgo: number;
  connections: number;
  peers: number;
  rooms: number;
  fastPeers: number;
  slowPeers: number;
  publishesPerSecond: number;
  fastPerSecond: number;
  slowPerSecond: number;
  bytesPerSecond: number;
  busyShare: number;
  lagSeconds: number;
  memoryBytes: number | null;
  broker: BrokerPulse;
  isStoreWell: boolean;
  latency: Latency | null;
}

/** A room that is large or busy. Small parts of it on further workers may not be counted. */
export interface RoomLine {
  roomId: string;
  members: number;
  perSecond: number;
}

/** Somebody who was sent off. */
export interface GoodbyeLine {
  atMs: number;
  code: number;
  reason: string;
  subject: string;
}

/** All workers, as one of them knows of them. */
export interface Overview {
  atMs: number;
  toldBy: string;
  workers: WorkerLine[];
  latency: Latency | null;
  rooms: RoomLine[];
  refusals: Record<string, number>;
  turnedAway: Record<string, number>;
  goodbyes: GoodbyeLine[];
}

/** Which room, and what of it is known already. */
export interface LookRequest {
  roomId: string;
  since?: string | null;
}

/** A publication, as its readers got it. */
export interface Heard {
  event: string;
  data: unknown;
}

/** A room, looked into without being in it. */
export interface RoomLook {
  roomId: string;
  cursor: string;
  members: Member[];
  memberCount: number;
  values: unknown[] | null;
  valueCount: number | null;
  heard: Heard[];
}
