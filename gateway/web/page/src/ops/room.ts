// A look into a room: who is in it, what it holds, what comes. The page does not join: nobody in the room is told.

import type { Heard, RoomLook } from "@paceline/client/reports";
import { made, part, say } from "../dom.js";
import { asked, attempted } from "./dialogs.js";
import { Refusal, type Wire } from "./wire.js";

const EVERY_MS = 2_000;
const HEARD_SHOWN = 50;
const TEXT_LIMIT_CHARACTERS = 300;

type Members = RoomLook["members"];

export class RoomDialog {
  private readonly dialog = part<HTMLDialogElement>("room");
  private readonly wire: Wire;
  private readonly looking = new Map<string, string>(); // the room that is open, and the cursor up to which it is known
  private looks: ReturnType<typeof setTimeout> | undefined;

  constructor(wire: Wire) {
    this.wire = wire;
    this.dialog.addEventListener("close", () => {
      clearTimeout(this.looks);
      this.looking.clear();
    });
  }

  open(roomId: string): void {
    this.looking.clear();
    this.looking.set(roomId, "");
    say(part("room-title"), roomId);
    say(part("room-text"), "Looking …");
    for (const id of ["room-members", "room-heard", "room-values"]) part(id).replaceChildren();
    this.dialog.showModal();
    void this.look(roomId);
  }

  private async look(roomId: string): Promise<void> {
    clearTimeout(this.looks);
    const since = this.looking.get(roomId);
    try {
      const look = await this.wire.look({ roomId, ...(since && { since }) });
      if (!this.looking.has(roomId)) return; // closed meanwhile
      this.looking.set(roomId, look.cursor);
      this.show(look);
    } catch (error) {
      say(part("room-text"), error instanceof Refusal ? error.message : "No answer; trying again.");
    }
    if (this.looking.has(roomId)) this.looks = setTimeout(() => void this.look(roomId), EVERY_MS);
  }

  private show(look: RoomLook): void {
    if (look.values) {
      const shown = look.values.length;
      const bikes = `${look.valueCount} with a last value${shown < (look.valueCount ?? 0) ? `, ${shown} of them below` : ""}`;
      this.dialog.dataset["values"] = bikes;
      part("room-values").replaceChildren(...look.values.map((value) => rowOf(nameOf(value), value)));
    }
    say(part("room-text"), `${look.memberCount} members; ${this.dialog.dataset["values"]}.`);
    part("room-heard").prepend(...look.heard.map(heardRow).reverse());
    while (part("room-heard").children.length > HEARD_SHOWN) part("room-heard").lastElementChild?.remove();
    this.showMembers(look.roomId, look.members);
  }

  private showMembers(roomId: string, members: Members): void {
    const body = part("room-members");
    const known = new Map([...body.children].map((row) => [(row as HTMLElement).dataset["peer"], row]));
    const rows = members.map((member) => known.get(member.peerId) ?? this.memberRow(roomId, member));
    // rows that stay are left alone: a button that is about to be pressed must not lose its focus
    const staying = new Set(rows);
    for (const row of known.values()) if (!staying.has(row)) row.remove();
    for (const row of rows) if (!row.isConnected) body.append(row);
  }

  private memberRow(roomId: string, { peerId, subject }: Members[number]): Element {
    const fromRoom = made("button", { type: "button", className: "from-room" }, "From room");
    const atAll = made("button", { type: "button", className: "at-all" }, "Close socket");
    fromRoom.setAttribute("aria-label", `From room: remove ${subject}`);
    atAll.setAttribute("aria-label", `Close socket of ${subject}`);
    fromRoom.addEventListener("click", () => {
      const path = `/api/rooms/${encodeURIComponent(roomId)}/members/${encodeURIComponent(peerId)}`;
      void attempted(this.wire.request("DELETE", path), `${subject} was removed from ${roomId}.`).then(() => this.look(roomId));
    });
    atAll.addEventListener("click", async () => {
      if (!(await asked("Close this socket?", `${subject} is told not to come back by itself.`, "Close socket"))) return;
      const path = `/api/peers?peerId=${encodeURIComponent(peerId)}`;
      await attempted(this.wire.request("DELETE", path), `The socket of ${subject} was closed.`);
      void this.look(roomId);
    });
    const row = made("tr", {}, made("td", {}, subject), made("td", { className: "code" }, peerId), made("td", {}, fromRoom, " ", atAll));
    row.dataset["peer"] = peerId;
    return row;
  }
}

function heardRow({ event, data }: Heard): Element {
  return rowOf(event, data);
}

function rowOf(name: string, value: unknown): Element {
  const text = JSON.stringify(value) ?? "";
  const shown = text.length > TEXT_LIMIT_CHARACTERS ? `${text.slice(0, TEXT_LIMIT_CHARACTERS)} …` : text;
  return made("tr", {}, made("td", {}, name), made("td", { className: "code" }, shown));
}

function nameOf(value: unknown): string {
  const bike = (value ?? {}) as Record<string, unknown>;
  return String(bike["vehicle_id"] ?? bike["bike_id"] ?? bike["bikeId"] ?? bike["station_id"] ?? bike["id"] ?? "");
}
