// The card of the selected bike or station: what it says of itself, in words, and every other field as it came.

import type { Bike, Identity } from "@paceline/client";
import { made, part, say } from "./dom.js";
import { ageAt, type Shown } from "./fleet.js";
import { ageOf, FRESHNESS, numberIn, seenMsOf } from "./reading.js";
import { stationOf } from "./stations.js";
import { AGE_WORDS, agoText, compassText, distanceText, KIND_WORDS, percentText, speedText } from "./words.js";

/** Told in words above the table, or of no use to a reader. */
const TOLD = new Set(["roomId", "op", "bike_id", "vehicle_id", "bikeId", "lat", "lon", "timestamp", "last_reported"]);
const VALUE_LIMIT_CHARACTERS = 200;

export interface CardActions {
  close(): void;
  follow(isOn: boolean): void;
}

export class Card {
  private readonly node = part("card");
  private readonly actions: CardActions;
  private identity: Identity | undefined;
  private facts = made("dl", { className: "facts" });
  private note = made("p", { className: "note" });
  private fields = made("tbody");
  private followButton = made("button", { type: "button", className: "plain" });
  private isFollowing = false;

  constructor(actions: CardActions) {
    this.actions = actions;
    this.followButton.addEventListener("click", () => this.setFollowing(!this.isFollowing));
  }

  open(identity: Identity): void {
    this.identity = identity;
    const close = made("button", {
      type: "button",
      className: "close",
      textContent: "×",
      extra: { "aria-label": "Close" },
    });
    close.addEventListener("click", () => this.actions.close());
    this.facts = made("dl", { className: "facts" });
    this.note = made("p", { className: "note" });
    this.fields = made("tbody");
    const title = made("h2", {}, made("span", { className: "what", textContent: identity.kind }), ` ${identity.id}`);
    const all = made("details", {}, made("summary", { textContent: "All fields" }), made("table", {}, this.fields));
    this.node.replaceChildren(title, close, this.note, this.facts, ...(identity.kind === "bike" ? [this.followButton] : []), all);
    this.setFollowing(false);
    this.node.hidden = false;
  }

  close(): void {
    this.identity = undefined;
    this.node.hidden = true;
    this.setFollowing(false);
  }

  setFollowing(isOn: boolean): void {
    this.isFollowing = isOn;
    this.followButton.setAttribute("aria-pressed", String(isOn));
    say(this.followButton, isOn ? "Following" : "Follow");
    this.actions.follow(isOn);
  }

  showBike(body: Bike, bike: Shown | undefined, nowMs: number): void {
    const age = bike ? ageAt(bike, nowMs) : "lost";
    const speed = numberIn(body["speed"], 0, 60);
    const heading = bike?.heading;
    const battery = numberIn(body["current_fuel_percent"], 0, 1);
    const range = numberIn(body["current_range_meters"], 0, 1e7);
    this.tell(bike ? [KIND_WORDS[bike.kind], AGE_WORDS[age]].filter(Boolean).join(", ") : "without a place", age, bike?.kind);
    this.list([
      ["Seen", bike ? agoText(nowMs - bike.seenAtMs) : undefined],
      ["Speed", speed === undefined ? undefined : speedText(speed)],
      ["Heading", heading === undefined ? undefined : compassText(heading)],
      ["Battery", battery === undefined ? undefined : percentText(battery)],
      ["Range", range === undefined ? undefined : distanceText(range)],
      ["Station", typeof body["station_id"] === "string" ? body["station_id"] : undefined],
    ]);
    this.table(body);
  }

  showStation(body: Bike, wallMs: number): void {
    const { bikes, docks, isOpen } = stationOf(body, wallMs);
    const seenMs = seenMsOf(body);
    const agoMs = seenMs === undefined ? 0 : wallMs - seenMs;
    const age = ageOf(agoMs, FRESHNESS.station);
    this.tell([isOpen ? "open" : "closed", AGE_WORDS[age]].filter(Boolean).join(", "), age, undefined);
    this.list([
      ["Bikes", bikes?.toString()],
      ["Free docks", docks?.toString()],
      ["Name", typeof body["name"] === "string" ? body["name"] : undefined],
      ["Seen", seenMs === undefined ? undefined : agoText(agoMs)],
    ]);
    this.table(body);
  }

  /** It is no more in the room. */
  showGone(): void {
    if (this.identity) this.tell("gone from the room", "lost", undefined);
  }

  private tell(text: string, age: string, kind: string | undefined): void {
    say(this.note, text);
    this.note.dataset["age"] = age;
    this.note.dataset["kind"] = kind ?? "";
  }

  private list(facts: [string, string | undefined][]): void {
    const known = facts.filter(([, value]) => value !== undefined);
    const rows = [...this.facts.children];
    if (rows.length !== known.length * 2) {
      this.facts.replaceChildren(...known.flatMap(() => [made("dt"), made("dd")]));
    }
    known.forEach(([name, value], index) => {
      say(this.facts.children[index * 2] as HTMLElement, name);
      say(this.facts.children[index * 2 + 1] as HTMLElement, value as string);
    });
  }

  private table(body: Bike): void {
    const entries = Object.entries(body).filter(([field]) => !TOLD.has(field));
    const texts = entries.map(([field, value]) => [field, textOf(value)] as const);
    if (this.fields.children.length !== texts.length) {
      this.fields.replaceChildren(
        ...texts.map(() => made("tr", {}, made("th", { scope: "row" }), made("td"))),
      );
    }
    texts.forEach(([field, text], index) => {
      const row = this.fields.children[index] as HTMLElement;
      say(row.children[0] as HTMLElement, field);
      say(row.children[1] as HTMLElement, text);
    });
  }
}

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > VALUE_LIMIT_CHARACTERS ? `${text.slice(0, VALUE_LIMIT_CHARACTERS)}…` : text;
}
