// What a room needs of its connection.

import type { Answer } from "../events.js";
import type { Send, Taken } from "./outbox.js";

export interface Wire {
  readonly isConnected: boolean;
  /** It will not come back by itself. */
  readonly isClosed: boolean;
  /** Send an event and wait for its answer; rejects when none comes. */
  request<Data>(event: string, ...args: unknown[]): Promise<Answer<Data>>;
  /** The same, and throws `Refused` when the answer is a no. */
  ask<Data>(event: string, ...args: unknown[]): Promise<Data>;
  /** Put a publication into the outbox. */
  publish(send: Send): Promise<Taken>;
}
