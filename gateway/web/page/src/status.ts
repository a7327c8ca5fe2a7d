// What is always visible: whether the map is in step with its room.

import type { Connection, Room } from "@paceline/client";
import { part, say } from "./dom.js";

const HOLD_MS = 3_000;
const TOAST_MS = 5_000;

export type StatusName = "connecting" | "live" | "recovering" | "resnapshot" | "refused" | "closed";

const TEXTS: Record<StatusName, string> = {
  connecting: "Connecting",
  live: "Live",
  recovering: "Recovering",
  resnapshot: "Snapshot again",
  refused: "Not let in",
  closed: "Closed",
};

export function statusOf(connection: Connection, room: Room | undefined): StatusName {
  if (room?.state === "refused") return "refused";
  if (connection.state === "closed") return "closed";
  if (room?.state === "live") return "live";
  if (room?.state === "resnapshot") return "resnapshot";
  return room?.state === "recovering" ? "recovering" : "connecting";
}

export class Status {
  private readonly lamp = part("connection");
  private readonly text = part("connection-text");
  private readonly toast = part("toast");
  private readonly rate = part("rate");
  private heldUntilMs = 0;
  private holding: ReturnType<typeof setTimeout> | undefined;
  private toasting: ReturnType<typeof setTimeout> | undefined;

  show(name: StatusName, reason?: string): void {
    clearTimeout(this.holding);
    const waitMs = this.heldUntilMs - performance.now();
    if (name === "live" && waitMs > 0) {
      // a snapshot takes no time to speak of; that there was one is worth a look all the same
      this.holding = setTimeout(() => this.show(name), waitMs);
      return;
    }
    if (name === "resnapshot") this.heldUntilMs = performance.now() + HOLD_MS;
    this.lamp.dataset["state"] = name;
    this.lamp.title = reason ?? "";
    say(this.text, TEXTS[name]);
  }

  /** Updates a second, when there are any. */
  showRate(perSecond: number): void {
    say(this.rate, perSecond >= 0.5 ? `${Math.round(perSecond)}/s` : "");
  }

  tell(text: string): void {
    clearTimeout(this.toasting);
    say(this.toast, text);
    this.toast.dataset["shown"] = "";
    this.toasting = setTimeout(() => delete this.toast.dataset["shown"], TOAST_MS);
  }
}
