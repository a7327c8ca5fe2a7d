// The connection: one official Socket.IO client, its token, and how it comes back.

import { io, type Socket } from "socket.io-client";
import type { Answer, Authenticated, Failure, GoodbyeNotice, Published, RoomReset } from "../events.js";
import { Listeners, type Unsubscribe } from "./listeners.js";
import { Outbox, type Send } from "./outbox.js";
import { Refused } from "./refused.js";
import { Room } from "./room.js";
import type { TokenSource } from "./token.js";
import type { Wire } from "./wire.js";

/** `closed`: by us, by an operator, or because the token is refused; it does not come back by itself. */
export type ConnectionState = "connecting" | "connected" | "offline" | "closed";

export interface ConnectionOptions {
  token?: TokenSource;
  /** In the order in which they are tried; polling, then an upgrade, unless given. */
  transports?: ("polling" | "websocket")[];
  /** How many publications may wait for a connection or an answer; 1,000 unless given. */
  outboxLimit?: number;
  /** How long an answer may take, in ms; 10,000 unless given. */
  answerTimeoutMs?: number;
}

interface ConnectionEvents extends Record<string, unknown[]> {
  state: [state: ConnectionState, reason: string | undefined];
  goodbye: [notice: GoodbyeNotice];
}

const NEVER_FROM_CODE = 3500;
const TOKEN_EXPIRED_CODE = 3002;
const LOWEST_WAIT_MS = 500;
const HIGHEST_WAIT_MS = 10_000;
const REFRESH_PAUSE_MS = 1_000;

/** Connect to a gateway; `url` is its address, `http://127.0.0.1:8080` for instance. */
export function connect(url: string, options: ConnectionOptions = {}): Connection {
  return new Connection(url, options);
}

export class Connection implements Wire {
  private readonly options: ConnectionOptions;
  private readonly socket: Socket;
  private readonly outbox: Outbox;
  private readonly rooms = new Map<string, Room>();
  private readonly listeners = new Listeners<ConnectionEvents>();
  private current: ConnectionState = "connecting";
  private comeBackTimer: ReturnType<typeof setTimeout> | undefined;
  private refreshTimer: ReturnType<typeof setTimeout> | undefined;
  private refreshedAtMs = -Infinity;
  private goodbye: GoodbyeNotice | undefined;
  /** What the gateway was told last, and whether its end has come or is near. */
  private given: string | undefined;
  private isSpent = false;

  constructor(url: string, options: ConnectionOptions) {
    this.options = options;
    this.outbox = new Outbox(options.outboxLimit ?? 1_000);
    this.socket = io(url, {
      auth: (give) => void this.auth().then(give, () => this.isClosed || this.comeBackAfter(HIGHEST_WAIT_MS)),
      reconnectionDelay: LOWEST_WAIT_MS,
      reconnectionDelayMax: HIGHEST_WAIT_MS,
      forceNew: true,
      ...(options.transports && { transports: options.transports, tryAllTransports: true }),
    });
    this.socket.on("connect", () => this.connected());
    this.socket.on("disconnect", (reason) => this.disconnected(reason));
    this.socket.on("connect_error", (error) => this.failed(error));
    this.socket.onAny((name: string, ...args: unknown[]) => this.heard(name, args));
  }

  get state(): ConnectionState {
    return this.current;
  }

  get isConnected(): boolean {
    return this.current === "connected";
  }

  get isClosed(): boolean {
    return this.current === "closed";
  }

  /** How many publications have no answer yet. */
  get waiting(): number {
    return this.outbox.size;
  }

  /** The room of that name, always the same object. Nothing is joined by this. */
  room(id: string): Room {
    let room = this.rooms.get(id);
    if (room === undefined) {
      room = new Room(id, this);
      this.rooms.set(id, room);
    }
    return room;
  }

  on<Name extends "state" | "goodbye">(
    name: Name,
    listener: (...args: ConnectionEvents[Name]) => void,
  ): Unsubscribe {
    return this.listeners.add(name, listener);
  }

  /** Leave for good. What waits to be published is rejected. */
  close(): void {
    this.end("closed by this program");
  }

  // ---- for rooms

  ask<Data>(event: string, args: unknown[], answered: (answer: Answer<Data> | undefined) => void): void {
    const socket = this.socket.timeout(this.options.answerTimeoutMs ?? 10_000);
    socket.emit(event, ...args, (error: Error | null, answer: Answer<Data>) => answered(error ? undefined : answer));
  }

  publish(send: Send): Promise<Published> {
    if (this.current === "closed") return Promise.reject(new Error("The connection is closed."));
    return this.outbox.add(send);
  }

  // ---- coming and going

  private async auth(): Promise<Record<string, unknown>> {
    const token = await this.token();
    return { cursors: true, ...(token && { token }) };
  }

  private async token(): Promise<string | undefined> {
    const { token } = this.options;
    const spent = this.isSpent ? this.given : undefined;
    const found = typeof token === "function" ? await token(spent) : token;
    if (found !== this.given) this.isSpent = false;
    this.given = found;
    return found;
  }

  private connected(): void {
    this.goodbye = undefined;
    this.become("connected");
    for (const room of this.rooms.values()) room.connected();
    this.outbox.open();
  }

  private disconnected(reason: string): void {
    this.outbox.shut();
    clearTimeout(this.refreshTimer);
    if (this.current === "closed") return;
    this.become("offline", this.goodbye?.reason ?? reason);
    for (const room of this.rooms.values()) room.disconnected();
    if (this.goodbye !== undefined) this.takeLeave(this.goodbye);
    else if (!this.socket.active) this.comeBackAfter(LOWEST_WAIT_MS);
  }

  private takeLeave(notice: GoodbyeNotice): void {
    const isExpired = notice.code === TOKEN_EXPIRED_CODE;
    this.isSpent ||= isExpired;
    if (notice.code >= NEVER_FROM_CODE || (isExpired && typeof this.options.token !== "function")) this.end(notice.reason);
    else this.comeBackAfter(notice.reconnectAfterMs ?? LOWEST_WAIT_MS);
  }

  private comeBackAfter(waitMs: number): void {
    clearTimeout(this.comeBackTimer);
    this.socket.disconnect(); // or socket.io-client would come back sooner than it was asked to
    this.comeBackTimer = setTimeout(() => this.socket.connect(), waitMs);
  }

  private failed(error: Error & { data?: Failure }): void {
    if (this.current === "closed") return;
    this.become("offline", error.message);
    if (error.data?.code === undefined) return; // not reached: socket.io-client tries again by itself
    const refused = new Refused(error.data);
    const isExpired = refused.code === "TOKEN_EXPIRED";
    this.isSpent ||= isExpired;
    const mayRefresh = isExpired && typeof this.options.token === "function";
    if (refused.retryAfterMs !== undefined || mayRefresh) {
      this.comeBackAfter(Math.max(refused.retryAfterMs ?? 0, LOWEST_WAIT_MS));
      return;
    }
    for (const room of this.rooms.values()) room.refuse(refused);
    this.end(refused.message);
  }

  private end(reason: string): void {
    clearTimeout(this.comeBackTimer);
    this.become("closed", reason);
    this.socket.disconnect();
    const error = new Error(`The connection is closed: ${reason}.`);
    for (const room of this.rooms.values()) room.ended(error);
    this.outbox.close(error);
  }

  // ---- hearing

  private heard(name: string, args: unknown[]): void {
    const [data, cursor] = args;
    if (name === "goodbye") {
      this.goodbye = data as GoodbyeNotice;
      this.listeners.tell("goodbye", this.goodbye);
    } else if (name === "token-expiring") {
      // a token that lives no longer than the warning is warned of as soon as it is given
      clearTimeout(this.refreshTimer);
      this.refreshTimer = setTimeout(() => void this.refresh(), Math.max(0, this.refreshedAtMs + REFRESH_PAUSE_MS - Date.now()));
    } else if (name === "room-reset") {
      this.rooms.get((data as RoomReset).roomId)?.reset(data as RoomReset);
    } else {
      this.roomOf(data)?.heard(name, data, typeof cursor === "string" ? cursor : undefined);
    }
  }

  /** An application's own event need not name its room: then it is the one room that we are in, or not to be told. */
  private roomOf(data: unknown): Room | undefined {
    const named = (data as { roomId?: unknown } | null)?.roomId;
    const room = typeof named === "string" ? this.rooms.get(named) : undefined;
    if (room !== undefined) return room;
    const joined = [...this.rooms.values()].filter((each) => each.state !== "left" && each.state !== "refused");
    return joined.length === 1 ? joined[0] : undefined;
  }

  private async refresh(): Promise<void> {
    if (typeof this.options.token !== "function") return;
    this.refreshedAtMs = Date.now();
    this.isSpent = true;
    try {
      const token = await this.token();
      if (this.isSpent) return; // there is no other one yet: told the same again, the gateway would warn again
      this.ask<Authenticated>("authenticate", [{ token }], () => undefined);
    } catch {
      // the goodbye that follows brings a new connection, and with it the next attempt
    }
  }

  private become(state: ConnectionState, reason?: string): void {
    if (state === this.current) return;
    this.current = state;
    this.listeners.tell("state", state, reason);
  }
}
