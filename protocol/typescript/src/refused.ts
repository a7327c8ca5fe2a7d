// The error that stands for a no of the gateway.

import type { Answer, Failure, RefusalCode } from "../events.js";

/** The gateway said no. `code` is for programs, `message` for people. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly code: RefusalCode;
  /** After this time the same request may succeed; undefined when it would be refused again. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure) {
    super(failure.message);
    this.code = failure.code;
    const details = failure.details as { retryAfterMs?: unknown } | null | undefined;
    this.retryAfterMs = typeof details?.retryAfterMs === "number" ? details.retryAfterMs : undefined;
  }
}

/** The data of an answer; throws `Refused` when the answer is a no. */
export function dataOf<Data>(answer: Answer<Data>): Data {
  if (answer.error !== undefined) throw new Refused(answer.error);
  return answer.data;
}
