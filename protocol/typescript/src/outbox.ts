// What is published and not yet answered: it is sent in order, again after a gap, and taken once.

import type { Answer, Published } from "../events.js";
import { newKey } from "./key.js";
import { Refused } from "./refused.js";

/** Sends one publication; rejects when no answer has come. */
export type Send = (key: string) => Promise<Answer<Published>>;

interface Waiting {
  readonly key: string;
  readonly send: Send;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: Error) => void;
  /** When it was first sent; undefined as long as it was not. */
  sentAtMs: number | undefined;
  /** The attempt that is under way; 0 when none is. */
  underWay: number;
}

/** The gateway remembers a key for five minutes; beyond it, sending again could publish twice. */
const KEY_LIFE_MS = 4 * 60_000;
/** How many may be under way at once: a gap of hours must not become a flood. */
const UNDER_WAY_LIMIT = 50;
const UNANSWERED_PAUSE_MS = 1_000;

export class Outbox {
  private readonly waiting: Waiting[] = [];
  private readonly limit: number;
  private readonly now: () => number;
  private isOpen = false;
  private pausedUntilMs = 0;
  private attempts = 0;

  constructor(limit: number, now: () => number = Date.now) {
    this.limit = limit;
    this.now = now;
  }

  get size(): number {
    return this.waiting.length;
  }

  /** Resolves when the gateway has taken it. When too much waits, the oldest that was never sent is given up. */
  add(send: Send, key: string = newKey()): Promise<Published> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, send, resolve, reject, sentAtMs: undefined, underWay: 0 });
      if (this.waiting.length > this.limit) this.giveUpOldest();
      this.flush();
    });
  }

  /** There is a connection: send all that waits, in order. */
  open(): void {
    this.isOpen = true;
    this.flush();
  }

  /** The connection is gone: whatever had no answer is sent again after the next `open`. */
  shut(): void {
    this.isOpen = false;
    for (const each of this.waiting) each.underWay = 0;
  }

  /** Nothing will be sent any more. */
  close(error: Error): void {
    this.shut();
    for (const each of this.waiting.splice(0)) each.reject(error);
  }

  private flush(): void {
    if (!this.isOpen || this.now() < this.pausedUntilMs) return;
    this.giveUpExpired();
    for (const each of this.waiting.slice(0, UNDER_WAY_LIMIT)) {
      if (each.underWay === 0) void this.attempt(each);
    }
  }

  private async attempt(each: Waiting): Promise<void> {
    const attempt = ++this.attempts;
    each.underWay = attempt;
    each.sentAtMs ??= this.now();
    let answer: Answer<Published> | undefined;
    try {
      answer = await each.send(each.key);
    } catch {
      answer = undefined; // none came
    }
    if (each.underWay !== attempt) return; // the connection was lost since, and it is sent again
    each.underWay = 0;
    const refused = answer?.error && new Refused(answer.error);
    if (answer === undefined || refused?.retryAfterMs !== undefined) {
      this.pause(refused?.retryAfterMs ?? UNANSWERED_PAUSE_MS);
      return;
    }
    this.settle(each, () => (answer.error ? each.reject(new Refused(answer.error)) : each.resolve(answer.data)));
    this.flush();
  }

  private pause(ms: number): void {
    this.pausedUntilMs = this.now() + ms;
    setTimeout(() => this.flush(), ms + 1);
  }

  private settle(each: Waiting, settlement: () => void): void {
    const index = this.waiting.indexOf(each);
    if (index < 0) return;
    this.waiting.splice(index, 1);
    settlement();
  }

  private giveUpOldest(): void {
    const oldest = this.waiting.find((each) => each.sentAtMs === undefined) ?? this.waiting[0];
    if (oldest) this.settle(oldest, () => oldest.reject(new Error("Too much waits to be published.")));
  }

  private giveUpExpired(): void {
    const limit = this.now() - KEY_LIFE_MS;
    const expired = this.waiting.filter((each) => each.underWay === 0 && (each.sentAtMs ?? Infinity) < limit);
    for (const each of expired) {
      this.settle(each, () => each.reject(new Error("Whether it was published is not known: no answer came.")));
    }
  }
}
