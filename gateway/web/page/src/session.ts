// Who we are to the gateway and which room we are in: the address bar knows the room, the tab keeps the token.

import { connect, type Change, type Connection, type Refused, type Room } from "@paceline/client";
import { part, say } from "./dom.js";
import { keep, kept } from "./memory.js";
import { statusOf, type Status } from "./status.js";

const TOKEN = "token";
const TOKEN_EXPIRED_CODE = 3002;
const FOR_A_TOKEN = new Set(["UNAUTHENTICATED", "TOKEN_INVALID", "TOKEN_EXPIRED", "FORBIDDEN"]);

export interface RoomListener {
  entered(room: Room): void;
  changed(change: Change): void;
}

export class Session {
  connection: Connection | undefined;
  room: Room | undefined;
  private readonly status: Status;
  private readonly listener: RoomListener;
  private readonly firstRoom: string;
  private readonly input = part<HTMLInputElement>("room");
  private stops: (() => void)[] = [];
  private isBack = false;

  constructor(status: Status, listener: RoomListener, firstRoom: string) {
    this.status = status;
    this.listener = listener;
    this.firstRoom = firstRoom;
    part<HTMLFormElement>("room-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.input.blur();
      location.hash = hashOf(this.input.value.trim());
    });
    part<HTMLFormElement>("token-form").addEventListener("submit", () => {
      const input = part<HTMLInputElement>("token-input");
      keep("sessionStorage", TOKEN, input.value.trim());
      input.value = "";
      this.begin();
    });
    addEventListener("hashchange", () => this.enter());
  }

  /** Connect, anew if need be, and enter the room that the address names. */
  begin(): void {
    this.leave();
    const before = this.connection;
    this.connection = undefined; // what is said of the old one from now on is not shown
    before?.close();
    const token = kept("sessionStorage", TOKEN);
    // a WebSocket at once saves a round trip, and where a proxy has none there is polling
    const connection = connect(location.origin, { transports: ["websocket", "polling"], ...(token && { token }) });
    this.connection = connection;
    connection.on("state", (_, reason) => {
      if (connection === this.connection) this.showStatus(reason);
    });
    connection.on("goodbye", ({ code, reason }) => {
      if (code === TOKEN_EXPIRED_CODE) this.askForToken(`${reason}.`);
    });
    this.enter();
  }

  private enter(): void {
    const id = roomOf(location.hash) || this.firstRoom;
    this.leave();
    this.input.value = id;
    if (!id || !this.connection) {
      this.input.focus();
      return;
    }
    document.title = `${id} · Paceline`;
    const room = this.connection.room(id);
    this.room = room;
    this.isBack = false;
    this.stops = [
      room.subscribe((change) => this.listener.changed(change)),
      room.on("state", () => this.showStatus()),
    ];
    this.listener.entered(room);
    void room.join().catch((error: Error) => this.refused(error));
  }

  private leave(): void {
    for (const stop of this.stops.splice(0)) stop();
    this.room?.leave();
    this.room = undefined;
  }

  private showStatus(reason?: string): void {
    if (!this.connection) return;
    const name = statusOf(this.connection, this.room);
    this.status.show(name, reason ?? this.room?.refusal?.message);
    if (name === "recovering") this.isBack = true;
    if (name === "closed") this.status.tell(`The gateway has closed this connection: ${reason ?? "no reason was given"}.`);
    if (name === "resnapshot") this.status.tell("Away for too long: everything was fetched anew.");
    if (name === "live" && this.isBack) {
      this.isBack = false;
      const missed = this.room?.missed ?? 0;
      if (missed > 0) this.status.tell(`Back in step: ${missed} missed ${missed === 1 ? "event" : "events"} came.`);
    }
  }

  private refused(error: Error & { code?: Refused["code"] }): void {
    this.status.tell(error.message);
    if (error.code && FOR_A_TOKEN.has(error.code)) this.askForToken(error.message);
  }

  private askForToken(why: string): void {
    say(part("token-text"), `${why} Ask whoever runs this gateway for one.`);
    const dialog = part<HTMLDialogElement>("token");
    if (!dialog.open) dialog.showModal();
  }
}

/** `#city:paris`; a colon and a slash are kept, as people type them. */
function hashOf(room: string): string {
  return encodeURIComponent(room).replaceAll("%3A", ":").replaceAll("%2F", "/");
}

function roomOf(hash: string): string {
  const text = hash.replace(/^#/, "");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
