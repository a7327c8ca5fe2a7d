// A session: who signed in, with which tokens, and how they are renewed before anybody has to notice.

import type { SignIn, Tokens, UserView } from "../rest.js";
import { Http } from "./http.js";
import { Listeners, type Unsubscribe } from "./listeners.js";
import { Refused } from "./refused.js";

/** What a session is gone on with, after a reload of the page for instance. Who has it, has the session. */
export interface KeptTokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresAtMs: number;
}

interface SessionEvents extends Record<string, unknown[]> {
  tokens: [tokens: KeptTokens | undefined];
}

/** Renewed so long before its end, or in the last fifth of its life if that is shorter. */
const MARGIN_MS = 30_000;
const MARGIN_SHARE = 0.2;

export class Session {
  private readonly http: Http;
  private readonly now: () => number;
  private readonly listeners = new Listeners<SessionEvents>();
  private kept: KeptTokens | undefined;
  private renewFromMs: number;
  private renewal: Promise<void> | undefined;

  constructor(http: Http, kept: KeptTokens | undefined, now: () => number = Date.now) {
    this.http = http;
    this.now = now;
    this.kept = kept;
    this.renewFromMs = (kept?.expiresAtMs ?? 0) - MARGIN_MS;
  }

  get isOpen(): boolean {
    return this.kept !== undefined;
  }

  /** Hear of each new pair of tokens, and of none when the session is over. */
  onTokens(listener: (tokens: KeptTokens | undefined) => void): Unsubscribe {
    return this.listeners.add("tokens", listener);
  }

  async signIn(body: SignIn): Promise<UserView> {
    const { data } = await this.http.send<Tokens>({ method: "POST", path: "/api/sessions", body });
    this.keep(data);
    return data.user;
  }

  /** A token that is good for a while yet; undefined when nobody is signed in. */
  async accessToken(): Promise<string | undefined> {
    if (this.kept !== undefined && this.now() >= this.renewFromMs) {
      try {
        await this.renew();
      } catch (error) {
        if (this.kept === undefined || this.now() >= this.kept.expiresAtMs) throw error; // else this one will do
      }
    }
    return this.kept?.accessToken;
  }

  /** Exchange the tokens for new ones; all who ask meanwhile wait for the same exchange. */
  renew(): Promise<void> {
    this.renewal ??= this.exchange().finally(() => (this.renewal = undefined));
    return this.renewal;
  }

  /** End the session here and at the gateway; without an answer of the gateway, here alone. */
  async signOut(): Promise<void> {
    const token = this.kept?.accessToken;
    this.keep(undefined);
    if (token === undefined) return;
    try {
      await this.http.send({ method: "DELETE", path: "/api/sessions/current" }, token);
    } catch (error) {
      // it is over already: then all is as it was asked for
      const isOver = error instanceof Refused && ["NOT_FOUND", "TOKEN_EXPIRED", "TOKEN_INVALID"].includes(error.code);
      if (!isOver) throw error;
    }
  }

  private async exchange(): Promise<void> {
    const before = this.kept;
    if (before === undefined) return;
    const body = { refreshToken: before.refreshToken };
    try {
      const { data } = await this.http.send<Tokens>({ method: "POST", path: "/api/sessions/refresh", body });
      if (this.kept === before) this.keep(data);
    } catch (error) {
      // a no is the end of the session; without an answer the same token is tried again when one is next needed
      const isOver = error instanceof Refused && error.retryAfterMs === undefined;
      if (isOver && this.kept === before) this.keep(undefined);
      throw error;
    }
  }

  private keep(tokens: Tokens | undefined): void {
    if (tokens === undefined) {
      this.kept = undefined;
    } else {
      const { accessToken, refreshToken, expiresInSeconds } = tokens;
      const lifeMs = expiresInSeconds * 1_000;
      const expiresAtMs = this.now() + lifeMs;
      this.kept = { accessToken, refreshToken, expiresAtMs };
      this.renewFromMs = expiresAtMs - Math.min(MARGIN_MS, lifeMs * MARGIN_SHARE);
    }
    this.listeners.tell("tokens", this.kept);
  }
}
