// Lists beside the plots: bars, goodbyes, lights, faults. Rows are kept, so that a focus or a reader stays where it is.

import type { GoodbyeLine, RoomLine } from "@paceline/client/reports";
import { made, part, say } from "../dom.js";
import type { Fault, Lamp } from "./health.js";
import { clockText, countText } from "./numbers.js";

const FAULTS_KEPT = 50;
const REFUSALS_SHOWN = 12;

export interface Bar {
  name: string;
  value: number;
  text: string;
}

/** Bars as long as their values, those that can be pressed as buttons. */
export class Bars {
  private readonly list: HTMLElement;
  private readonly none: HTMLElement;
  private readonly press: ((name: string) => void) | undefined;

  constructor(id: string, press?: (name: string) => void) {
    this.list = part(id);
    this.none = part(`${id}-none`);
    this.press = press;
  }

  show(bars: Bar[]): void {
    const most = Math.max(1e-9, ...bars.map(({ value }) => value));
    this.none.hidden = bars.length > 0;
    while (this.list.children.length > bars.length) this.list.lastElementChild?.remove();
    bars.forEach((bar, index) => {
      const row = (this.list.children[index] ?? this.list.appendChild(this.newRow())) as HTMLElement;
      const inside = row.firstElementChild as HTMLElement;
      inside.dataset["name"] = bar.name;
      say(inside.children[0] as HTMLElement, bar.name);
      say(inside.children[1] as HTMLElement, bar.text);
      row.style.setProperty("--share", String(bar.value / most));
    });
  }

  private newRow(): HTMLElement {
    const inside = this.press ? made("button", { type: "button" }) : made("div");
    inside.append(made("span", { className: "name" }), made("span", { className: "number" }));
    inside.addEventListener("click", () => this.press?.(inside.dataset["name"] ?? ""));
    return made("li", {}, inside);
  }
}

export function roomBars(rooms: RoomLine[], order: "members" | "perSecond"): Bar[] {
  return [...rooms]
    .sort((one, other) => other[order] - one[order])
    .slice(0, 50)
    .map((room) => ({
      name: room.roomId,
      value: room[order],
      text: `${countText(room.members)} members, ${countText(room.perSecond)}/s`,
    }));
}

export function refusalBars(counted: [string, number][]): Bar[] {
  return counted.slice(0, REFUSALS_SHOWN).map(([name, value]) => ({ name, value, text: countText(value) }));
}

export function showGoodbyes(goodbyes: GoodbyeLine[]): void {
  const list = part("goodbyes");
  part("goodbyes-none").hidden = goodbyes.length > 0;
  const rows = goodbyes.map(({ atMs, code, reason, subject }) => [clockText(atMs), `${code} ${reason}`, subject]);
  while (list.children.length > rows.length) list.lastElementChild?.remove();
  rows.forEach((texts, index) => {
    const row = list.children[index] ?? list.appendChild(made("li", {}, made("time"), made("span"), made("b")));
    texts.forEach((text, column) => say(row.children[column] as HTMLElement, text));
  });
}

export function showLamps(lamps: Lamp[]): void {
  const list = part("lights");
  lamps.forEach(({ name, light, text }, index) => {
    const row = list.children[index] ?? list.appendChild(made("li", {}, made("span", { className: "lamp", extra: { "aria-hidden": "true" } }), made("b"), made("span")));
    (row as HTMLElement).dataset["light"] = light;
    say(row.children[1] as HTMLElement, name);
    say(row.children[2] as HTMLElement, text);
  });
}

/** Faults as they come and go; each is told once when it begins and once when it is over. */
export class Faults {
  private readonly log = part("faults");
  private present = new Map<string, string>();

  show(faults: Fault[], nowMs: number): void {
    const now = new Map(faults.map(({ id, text }) => [id, text]));
    for (const [id, text] of now) if (!this.present.has(id)) this.add(text, nowMs, "bad");
    for (const [id, text] of this.present) if (!now.has(id)) this.add(`Over: ${text}`, nowMs, "good");
    this.present = now;
  }

  private add(text: string, nowMs: number, light: string): void {
    const line = made("p", {}, made("time", {}, clockText(nowMs)), ` ${text}`);
    line.dataset["light"] = light;
    this.log.prepend(line);
    while (this.log.children.length > FAULTS_KEPT) this.log.lastElementChild?.remove();
  }
}
