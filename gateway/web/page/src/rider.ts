// Rider mode: this browser's own location, published into the room.

import type { Room } from "@paceline/client";
import { part, say } from "./dom.js";
import { keep, kept } from "./memory.js";

const NAME = "rider";
const REASONS: Record<number, string> = {
  1: "The browser does not let this page know where you are.",
  2: "Where you are cannot be found out right now.",
  3: "Where you are is not known yet.",
};

export class Rider {
  private readonly button = part<HTMLButtonElement>("ride");
  private readonly panel = part("rider");
  private readonly name = part<HTMLInputElement>("rider-id");
  private readonly text = part("rider-text");
  private readonly count = part("rider-count");
  private readonly roomOf: () => Room | undefined;
  private readonly onPlace: (id: string) => void;
  private shownAs: string;
  /** The room that is ridden in: taken leave of even when another is shown already. */
  private room: Room | undefined;
  private watch: number | undefined;
  private taken = 0;

  constructor(roomOf: () => Room | undefined, onPlace: (id: string) => void) {
    this.roomOf = roomOf;
    this.onPlace = onPlace;
    this.name.value = this.shownAs = kept("localStorage", NAME) ?? `rider-${randomText()}`;
    this.name.addEventListener("change", () => this.rename());
    this.button.addEventListener("click", () => (this.watch === undefined ? this.start() : this.stop()));
    part("rider-stop").addEventListener("click", () => this.stop());
  }

  /** Take the rider off the map of the room that is being left. */
  stop(): void {
    if (this.watch === undefined) return;
    navigator.geolocation.clearWatch(this.watch);
    this.watch = undefined;
    this.remove(this.shownAs);
    this.button.setAttribute("aria-pressed", "false");
    if (this.panel.contains(document.activeElement)) this.button.focus();
    this.panel.hidden = true;
  }

  private start(): void {
    this.panel.hidden = false;
    if (!("geolocation" in navigator) || !isSecureContext) {
      say(this.text, "Browsers tell where they are to pages over HTTPS only (or on this very machine).");
      return;
    }
    this.taken = 0;
    say(this.count, "");
    this.room = this.roomOf();
    say(this.text, "Waiting for the first location …");
    this.button.setAttribute("aria-pressed", "true");
    this.watch = navigator.geolocation.watchPosition(
      (position) => void this.publish(position),
      (error) => say(this.text, REASONS[error.code] ?? error.message),
      { enableHighAccuracy: true, maximumAge: 1_000 },
    );
  }

  private async publish({ coords, timestamp }: GeolocationPosition): Promise<void> {
    if (!this.room) return;
    const id = this.shownAs;
    const speed = coords.speed ?? undefined;
    const heading = Number.isFinite(coords.heading) ? (coords.heading ?? undefined) : undefined;
    const update = {
      bike_id: id,
      lat: rounded(coords.latitude, 6),
      lon: rounded(coords.longitude, 6),
      vehicle_state: "on_trip",
      horizontal_accuracy: rounded(coords.accuracy, 1),
      timestamp: Math.round(timestamp),
      ...(speed !== undefined && { speed: rounded(Math.min(speed, 60), 2) }),
      ...(heading !== undefined && { heading: rounded(heading, 0) }),
    };
    try {
      await this.room.update(update);
      this.taken += 1;
      // the number is not read out: it is another one each second
      say(this.text, "The room sees where you are.");
      say(this.count, `${this.taken} ${this.taken === 1 ? "location" : "locations"} published.`);
      if (this.taken === 1) this.onPlace(id);
    } catch (error) {
      say(this.text, `Not published: ${(error as Error).message}`);
    }
  }

  private rename(): void {
    if (this.watch !== undefined) this.remove(this.shownAs);
    this.name.value = this.shownAs = this.name.value.trim() || `rider-${randomText()}`;
    keep("localStorage", NAME, this.shownAs);
  }

  private remove(id: string): void {
    void this.room
      ?.update({ bike_id: id, op: "remove" })
      .catch(() => undefined);
  }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function randomText(): string {
  return crypto.getRandomValues(new Uint16Array(1))[0]!.toString(16).padStart(4, "0");
}
