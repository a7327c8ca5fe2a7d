// Who looks, and the two ways to the gateway: the namespace that tells, and requests that do something.

import type { LookRequest, Overview, RoomLook } from "@paceline/client/reports";
import { io, type Socket } from "socket.io-client";
import { keep, kept } from "../memory.js";

const TOKEN = "ops.token";
const REFRESH_SHARE = 0.8;
const RETRY_MS = 1_000;
const FOR_A_TOKEN = new Set(["UNAUTHENTICATED", "TOKEN_INVALID", "TOKEN_EXPIRED", "FORBIDDEN"]);

export interface WireListener {
  told(overview: Overview): void;
  /** Connected or not, in words. */
  changed(isLive: boolean, text: string): void;
  /** Nobody is signed in, or not any more; why, if there is something to say. */
  out(reason: string): void;
}

interface Tokens {
  accessToken: string;
  refreshToken?: string;
  expiresInSeconds?: number;
}

interface Answer<Data> {
  data?: Data;
  error?: { code: string; message: string };
}

/** A no of the gateway, in its words. */
export class Refusal extends Error {
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

export class Wire {
  private readonly listener: WireListener;
  private socket: Socket | undefined;
  private token = kept("sessionStorage", TOKEN) ?? "";
  private refreshToken = ""; // in memory alone: it is good for weeks
  private refreshing: ReturnType<typeof setTimeout> | undefined;
  private isRefreshing = false;

  constructor(listener: WireListener) {
    this.listener = listener;
  }

  begin(): void {
    if (this.token) this.connect();
    else this.listener.out("");
  }

  async signIn(email: string, password: string): Promise<void> {
    this.take(await this.request<Tokens>("POST", "/api/sessions", { email, password }));
    this.connect();
  }

  async signInForDevelopment(): Promise<void> {
    this.take(await this.request<Tokens>("POST", "/ops/sign-in"));
    this.connect();
  }

  enter(token: string): void {
    this.take({ accessToken: token });
    this.connect();
  }

  async signOut(): Promise<void> {
    if (this.refreshToken) await this.request("DELETE", "/api/sessions/current").catch(() => undefined);
    this.leave("");
  }

  /** Whether a click is enough here. */
  async isOpen(): Promise<boolean> {
    const { isOpen } = await this.request<{ isOpen: boolean }>("GET", "/ops/sign-in").catch(() => ({ isOpen: false }));
    return isOpen;
  }

  /** Look into a room. */
  async look(request: LookRequest): Promise<RoomLook> {
    if (!this.socket?.connected) throw new Refusal("Not connected.");
    return dataOf<RoomLook>(await this.socket.timeout(5_000).emitWithAck("look", request));
  }

  async request<Data>(method: string, path: string, body?: unknown): Promise<Data> {
    const headers: Record<string, string> = {};
    if (this.token) headers["Authorization"] = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
    return dataOf<Data>(response.status === 204 ? {} : await response.json());
  }

  private take({ accessToken, refreshToken, expiresInSeconds }: Tokens): void {
    this.token = accessToken;
    this.refreshToken = refreshToken ?? "";
    keep("sessionStorage", TOKEN, accessToken);
    clearTimeout(this.refreshing);
    if (refreshToken && expiresInSeconds) {
      this.refreshing = setTimeout(() => void this.refresh(), expiresInSeconds * 1_000 * REFRESH_SHARE);
    }
  }

  private async refresh(): Promise<void> {
    const { refreshToken } = this;
    if (this.isRefreshing) return; // it is good once: a second use would end the session
    this.isRefreshing = true;
    clearTimeout(this.refreshing);
    try {
      const tokens = await this.request<Tokens>("POST", "/api/sessions/refresh", { refreshToken });
      if (this.refreshToken !== refreshToken) return; // signed out meanwhile
      this.take(tokens);
      if (this.socket?.connected) this.socket.emit("authenticate", { token: this.token });
      else this.socket?.connect();
    } catch (error) {
      if (this.refreshToken !== refreshToken) return;
      if (error instanceof Refusal && error.code && FOR_A_TOKEN.has(error.code)) {
        this.refreshToken = ""; // the end, when the token's has come
        if (!this.socket?.connected) this.leave(error.message);
      } else {
        this.refreshing = setTimeout(() => void this.refresh(), RETRY_MS); // not now
      }
    } finally {
      this.isRefreshing = false;
    }
  }

  private connect(): void {
    this.socket?.disconnect();
    this.listener.changed(false, "Connecting");
    const socket = io(`${location.origin}/ops`, {
      transports: ["websocket", "polling"],
      reconnectionDelay: 500,
      reconnectionDelayMax: 2_000,
      auth: (give) => give({ token: this.token }),
    });
    this.socket = socket;
    socket.on("connect", () => this.listener.changed(true, "Live"));
    socket.on("report", (overview: Overview) => this.listener.told(overview));
    socket.on("connect_error", (error) => {
      const refused = (error as { data?: { code?: string } }).data;
      // a machine that slept over the end of the token still has what gets another one
      if (refused?.code === "TOKEN_EXPIRED" && this.refreshToken) {
        this.listener.changed(false, "Signing in again");
        void this.refresh();
      } else if (refused?.code && FOR_A_TOKEN.has(refused.code)) this.leave(error.message);
      else {
        this.listener.changed(false, "No connection, trying again");
        if (!socket.active) setTimeout(() => socket === this.socket && socket.connect(), RETRY_MS);
      }
    });
    socket.on("goodbye", ({ code, reason }: { code: number; reason: string }) => {
      if (code >= 3_500) this.leave(`${reason}.`);
    });
    socket.on("disconnect", () => {
      if (socket === this.socket) this.listener.changed(false, "Connection lost, trying again");
    });
  }

  private leave(reason: string): void {
    clearTimeout(this.refreshing);
    this.token = this.refreshToken = "";
    keep("sessionStorage", TOKEN, "");
    const { socket } = this;
    this.socket = undefined;
    socket?.disconnect();
    this.listener.out(reason);
  }
}

function dataOf<Data>(answer: Answer<Data>): Data {
  if (answer.error) throw new Refusal(answer.error.message, answer.error.code);
  return answer.data as Data;
}
