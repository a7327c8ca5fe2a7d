// How an application uses the generated types. Each `@ts-expect-error` is a mistake that they have to find.

import { io, type Socket } from "socket.io-client";
import type {
  Acknowledged,
  BikeUpdateBody,
  ClientToServerEvents,
  LiveBike,
  RefusalCode,
  ServerToClientEvents,
} from "@paceline/client/events";

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://127.0.0.1:8080");

socket.emit("join-room", "city:paris");
socket.emit("join-room", { roomId: "city:paris", since: "e.1.00000000", snapshot: true }, (answer) => {
  if (answer.error) {
    const code: RefusalCode = answer.error.code;
    console.log(code, answer.error.message);
    // @ts-expect-error a refusal has no data
    console.log(answer.data.cursor);
    return;
  }
  const cursor: string = answer.data.cursor;
  const bikes: BikeUpdateBody[] = answer.data.snapshot ?? [];
  const missed: number | undefined = answer.data.missed;
  console.log(cursor, bikes, missed);
});
socket.emit("leave-room", { roomId: "city:paris" });
socket.emit("bike-update", { roomId: "city:paris", bike_id: 17, basket: { colour: "red" } });
socket.emit("bike-update", { roomId: "city:paris", op: "remove", id: "b" }, { idempotencyKey: "k" });
socket.emit("bike-update", { roomId: "city:paris" }, (answer) => console.log(answer.data?.cursor.length));
socket.emit("publish", { roomId: "city:paris", event: "ride-started", data: [1, null] }, (answer) => {
  console.log(answer.meta?.["outcome"]);
});

// @ts-expect-error there is no such event
socket.emit("join", "city:paris");
// @ts-expect-error a room's name is text
socket.emit("join-room", 5);
// @ts-expect-error an update names its room
socket.emit("bike-update", { bike_id: "b" });
// @ts-expect-error there are two operations, and this is none of them
socket.emit("bike-update", { roomId: "city:paris", op: "delete" });
// @ts-expect-error an event has a name
socket.emit("publish", { roomId: "city:paris", data: 1 });
// @ts-expect-error a token is text
socket.emit("authenticate", { token: null });

socket.on("bike-updated", (bike) => {
  const room: string = bike.roomId;
  const basket: unknown = bike["basket"];
  console.log(room, basket);
});
socket.on("bike-removed", ({ roomId, bikeId, stationId, reason }) => console.log(roomId, bikeId ?? stationId, reason));
socket.on("member-joined", ({ member }) => console.log(member.subject.length, member.peerId.length));
socket.on("goodbye", ({ code, reconnectAfterMs }) => {
  if (code < 3500) setTimeout(() => socket.connect(), reconnectAfterMs ?? 0);
});
// @ts-expect-error nobody sends that
socket.on("bike-updates", () => {});
// @ts-expect-error a goodbye has no roomId
socket.on("goodbye", ({ roomId }) => console.log(roomId));

interface Ride {
  rider: string;
}
type Heard = ServerToClientEvents & { "ride-started": (ride: Ride) => void };
const riding: Socket<Heard, Acknowledged<ClientToServerEvents>> = io();
riding.on("ride-started", (ride) => console.log(ride.rider.length));

const vehicle: LiveBike = { vehicle_id: "b", lat: 48.8, lon: 2.3, vehicle_state: "on_trip", my_own: [1] };
// @ts-expect-error a state is one of MDS
const flying: LiveBike = { vehicle_id: "b", vehicle_state: "flying" };

async function ask(): Promise<void> {
  const joined = await riding.emitWithAck("join-room", "city:paris");
  if (joined.error === undefined) console.log(joined.data.cursor.length);
  const published = await riding.emitWithAck("bike-update", { ...vehicle, roomId: "city:paris" });
  // @ts-expect-error it may have been refused
  console.log(published.data.cursor);
  const members = await riding.emitWithAck("presence", "city:paris");
  for (const member of members.data?.members ?? []) console.log(member.subject.length);
  // @ts-expect-error a request is needed
  await riding.emitWithAck("presence");
}

riding.timeout(1000).emit("join-room", "city:paris", (late, answer) => {
  console.log(late.message, answer.data?.cursor.length);
  // @ts-expect-error it may have been refused
  console.log(answer.data.cursor);
});
void ask().then(() => console.log(flying));
