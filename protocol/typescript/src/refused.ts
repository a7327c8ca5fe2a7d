// The error that stands for a no of the gateway.

import type { Failure, RefusalCode } from "../events.js";

/** The gateway said no. `code` is for programs, `message` for people. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: RefusalCode;
  /** Of the HTTP answer; undefined when it was said over a socket. */
  readonly status: number | undefined;
  /** What more there is to say: `fields` names each bad field and what is wrong with it. */
  readonly details: Readonly<Record<string, unknown>>;
  /** After this time the same request may succeed; undefined when it would be refused again. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure, status?: number, retryAfterMs?: number) {
    super(failure.message);
    this.code = failure.code;
    this.status = status;
    this.details = (failure.details ?? {}) as Record<string, unknown>;
    const told = this.details["retryAfterMs"];
    this.retryAfterMs = typeof told === "number" ? told : retryAfterMs;
  }
}
