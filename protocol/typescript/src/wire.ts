// What a room needs of its connection.

import type { Answer, Published } from "../events.js";
import type { Send } from "./outbox.js";

export interface Wire {
  readonly isConnected: boolean;
  /** It will not come back by itself. */
  readonly isClosed: boolean;
  /**
   * Send an event; `answered` hears of its answer, or of none. It is called before anything that came behind the
   * answer is heard: a promise would be too late for what comes in the same packet of bytes.
   */
  ask<Data>(event: string, args: unknown[], answered: (answer: Answer<Data> | undefined) => void): void;
  /** Put a publication into the outbox. */
  publish(send: Send): Promise<Published>;
}
