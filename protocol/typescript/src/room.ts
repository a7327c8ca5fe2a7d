// One room: who is in it, where we stand in its history, and how we come back after a gap.

import type { Answer, BikeRemoved, Joined, Published, RoomReset } from "../events.js";
import { Bikes, type Bike, type Update } from "./bikes.js";
import type { Identity } from "./identity.js";
import { Listeners, type Unsubscribe } from "./listeners.js";
import { Refused } from "./refused.js";
import type { Wire } from "./wire.js";

/**
 * `left`: not in the room, and not about to be. `joining`: for the first time. `live`: in step.
 * `recovering`: there is, or was just, no connection. `resnapshot`: what was missed cannot be had, so
 * everything is fetched anew. `refused`: the gateway said no; see `refusal`.
 */
export type RoomState = "left" | "joining" | "live" | "recovering" | "resnapshot" | "refused";

export type Change =
  | (Identity & { type: "set"; value: Bike; before: Bike | undefined })
  | (Identity & { type: "delete"; before: Bike | undefined; reason: string })
  /** Everything may have changed: look at `bikes` and `stations`. */
  | { type: "replace" };

export interface RoomEvents extends Record<string, unknown[]> {
  change: [change: Change];
  state: [state: RoomState];
  /** Any other event of the room, by name. */
  event: [name: string, data: unknown];
}

const RETRY_MS = 2_000;
/** Reasons of a `room-reset` behind which we are in the room no more. */
const OUT: Readonly<Record<string, string>> = {
  forbidden: "The token does not reach this room any more.",
  removed: "An operator has taken this client out of the room.",
};

export class Room {
  readonly id: string;
  private readonly wire: Wire;
  private readonly listeners = new Listeners<RoomEvents>();
  private readonly content = new Bikes();
  private cursor: string | undefined;
  private current: RoomState = "left";
  private arrivals: { resolve: () => void; reject: (error: Error) => void }[] = [];
  private attempt = 0;
  /** How often the connection was lost. */
  private gaps = 0;
  /** Updates of our own that were taken before the answer to a join: its snapshot may be older. */
  private early: Update[] = [];
  /** Why the gateway does not let us in; undefined unless the state is `refused`. */
  refusal: Refused | undefined;
  /** Of the last time that we came back: how many events were missed and have come since. */
  missed = 0;

  /** Made by `connection.room(id)`. */
  constructor(id: string, wire: Wire) {
    this.id = id;
    this.wire = wire;
  }

  get state(): RoomState {
    return this.current;
  }

  /** Every bike, by its identity. */
  get bikes(): ReadonlyMap<string, Bike> {
    return this.content.bikes;
  }

  get stations(): ReadonlyMap<string, Bike> {
    return this.content.stations;
  }

  /** Enter, and stay in step until `leave`. Resolves when live; rejects with `Refused`. Again is no fault. */
  join(): Promise<void> {
    if (this.current === "live") return Promise.resolve();
    if (this.wire.isClosed) return Promise.reject(this.refusal ?? new Error("The connection is closed."));
    if (this.current === "left" || this.current === "refused") this.enter("joining");
    return new Promise((resolve, reject) => this.arrivals.push({ resolve, reject }));
  }

  leave(): void {
    if (this.current === "left") return;
    this.attempt += 1;
    this.cursor = undefined;
    this.early = [];
    this.content.replace([]);
    this.become("left");
    this.listeners.tell("change", { type: "replace" });
    for (const arrival of this.arrivals.splice(0)) arrival.reject(new Error("The room was left."));
    if (this.wire.isConnected) this.wire.ask("leave-room", [this.id], () => undefined);
  }

  on<Name extends "change" | "state" | "event">(
    name: Name,
    listener: (...args: RoomEvents[Name]) => void,
  ): Unsubscribe {
    return this.listeners.add(name, listener);
  }

  /** Hear of every change; the way to stop is returned. */
  subscribe(listener: (change: Change) => void): Unsubscribe {
    return this.on("change", listener);
  }

  /** Publish a bike-update. Without a connection it waits; resolves when the gateway has taken it, once. */
  async update(update: Update): Promise<Published> {
    const body = { ...update, roomId: this.id };
    let sentIn: number | undefined;
    return this.wire.publish((key) => {
      sentIn ??= this.gaps;
      return this.send("bike-update", [body, { idempotencyKey: key }], ({ meta }) => {
        const outcome = meta?.["outcome"];
        // behind a gap what was sent before it comes as anybody's: in the snapshot, or among what was missed
        if (outcome === undefined || (outcome === "repeated" && sentIn === this.gaps)) this.takeOwn(body);
      });
    });
  }

  /** Publish any other event. */
  async publish(event: string, data: unknown): Promise<Published> {
    const body = { roomId: this.id, event, data };
    return this.wire.publish((key) => this.send("publish", [{ ...body, idempotencyKey: key }]));
  }

  /** `taken` is called before anything that came behind the answer is heard. */
  private send(event: string, args: unknown[], taken?: (answer: Answer<Published>) => void): Promise<Answer<Published>> {
    return new Promise((resolve, reject) => {
      this.wire.ask<Published>(event, args, (answer) => {
        if (answer === undefined) return reject(new Error("No answer came."));
        if (answer.error === undefined) taken?.(answer);
        resolve(answer);
      });
    });
  }

  /** The gateway does not send it back to its author, whose map should show it all the same. */
  private takeOwn(body: Update): void {
    if (this.current === "live") this.take(body);
    else if (this.current !== "left" && this.current !== "refused") this.early.push(body);
  }

  // ---- what the connection tells

  /** @internal */
  connected(): void {
    if (this.current !== "left" && this.current !== "refused") this.enter(this.current);
  }

  /** @internal */
  disconnected(): void {
    this.attempt += 1;
    this.gaps += 1;
    this.early = [];
    if (this.current === "live" || this.current === "resnapshot") this.become("recovering");
  }

  /** @internal For good: what is known stays to be read. */
  ended(error: Error): void {
    this.attempt += 1;
    if (this.current !== "refused") this.become("left");
    for (const arrival of this.arrivals.splice(0)) arrival.reject(error);
  }

  /** @internal */
  reset(reset: RoomReset): void {
    if (this.current === "left" || this.current === "refused") return; // it was on its way when we left
    const message = OUT[reset.reason];
    if (message !== undefined) {
      this.refuse(new Refused({ code: "FORBIDDEN", message }));
      return;
    }
    this.cursor = undefined;
    this.enter("resnapshot");
  }

  /** @internal */
  heard(name: string, data: unknown, cursor: string | undefined): void {
    if (this.current === "left" || this.current === "refused") return;
    const isLive = this.current === "live";
    // before the answer to a join: it is in the snapshot, or comes again. To go on from its cursor would be a gap
    if (isLive && cursor !== undefined) this.cursor = cursor;
    if (name === "bike-updated") isLive && this.take(data as Update);
    else if (name === "bike-removed") isLive && this.remove(data as BikeRemoved);
    else if (isLive || this.cursor === undefined) this.listeners.tell("event", name, data);
  }

  // ---- coming in

  private enter(state: RoomState): void {
    this.refusal = undefined;
    this.become(state);
    if (!this.wire.isConnected) return;
    const attempt = ++this.attempt;
    const request = { roomId: this.id, snapshot: true, ...(this.cursor && { since: this.cursor }) };
    this.wire.ask<Joined>("join-room", [request], (answer) => {
      if (attempt !== this.attempt) return;
      if (answer === undefined) this.retryAfter(RETRY_MS);
      else if (answer.error) this.fail(new Refused(answer.error));
      else this.arrive(answer.data);
    });
  }

  private arrive(joined: Joined): void {
    if (joined.recovered) {
      this.missed = joined.missed ?? 0;
      // the missed events bring cursors of their own, and this one is ours behind them
      if (this.missed === 0) this.cursor = joined.cursor;
    } else {
      if (this.cursor !== undefined) this.become("resnapshot");
      this.missed = 0;
      this.cursor = joined.cursor;
      this.content.replace(joined.snapshot ?? []);
      this.listeners.tell("change", { type: "replace" });
    }
    this.become("live");
    for (const body of this.early.splice(0)) this.take(body);
    for (const arrival of this.arrivals.splice(0)) arrival.resolve();
  }

  private fail(refused: Refused): void {
    if (refused.code === "INVALID_CURSOR") {
      this.cursor = undefined;
      this.enter("resnapshot");
    } else if (refused.retryAfterMs === undefined) {
      this.refuse(refused);
    } else {
      this.retryAfter(refused.retryAfterMs);
    }
  }

  private retryAfter(waitMs: number): void {
    const attempt = this.attempt;
    setTimeout(() => {
      if (attempt === this.attempt) this.connected();
    }, waitMs);
  }

  /** @internal */
  refuse(refused: Refused): void {
    if (this.current === "left") return;
    this.attempt += 1;
    this.refusal = refused;
    this.cursor = undefined;
    this.early = [];
    this.become("refused");
    for (const arrival of this.arrivals.splice(0)) arrival.reject(refused);
  }

  // ---- what changes

  private take(update: Update): void {
    const applied = this.content.apply(update);
    if (update["op"] === "remove") this.forget(applied, "removed");
    else if (applied) this.listeners.tell("change", { type: "set", ...applied });
  }

  private remove(removed: BikeRemoved): void {
    const { bikeId, stationId, reason } = removed;
    if (bikeId !== undefined) this.forget({ kind: "bike", id: bikeId }, reason);
    if (stationId !== undefined) this.forget({ kind: "station", id: stationId }, reason);
  }

  private forget(identity: Identity | undefined, reason: string): void {
    if (identity === undefined) return;
    const { kind, id } = identity;
    const all = this.content.of(kind);
    const before = all.get(id);
    if (all.delete(id)) this.listeners.tell("change", { type: "delete", kind, id, before, reason });
  }

  private become(state: RoomState): void {
    if (state === this.current) return;
    this.current = state;
    this.listeners.tell("state", state);
  }
}
