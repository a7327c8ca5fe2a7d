// Paceline's client: rooms of bikes that stay in step with the gateway, over the official socket.io-client.
//
//     const gateway = connect("https://bikes.example", { token });
//     const room = gateway.room("city:paris");
//     room.subscribe((change) => { ... });          // or read room.bikes and room.stations at any time
//     await room.join();
//     await room.update({ bike_id: "7", lat: 48.8566, lon: 2.3522 });
//
// After a gap the room comes back by itself: with what it has missed when the gateway still has it, else with a
// new snapshot. What is published while there is no connection waits, within a bound, and is taken once.
//
// Users and sessions, over HTTP:
//
//     const api = new Api("https://bikes.example");
//     await api.signIn("anna@example.org", password);
//     const gateway = connect("https://bikes.example", { token: api.token });

export { connect, Connection } from "./connection.js";
export type { ConnectionOptions, ConnectionState } from "./connection.js";
export type { TokenSource } from "./token.js";
export { Room } from "./room.js";
export type { Change, RoomEvents, RoomState } from "./room.js";
export type { Bike } from "./bikes.js";
export { identityOf } from "./identity.js";
export type { Identity } from "./identity.js";
export { Refused } from "./refused.js";
export { Api } from "./api.js";
export type { ApiOptions } from "./api.js";
export { Unanswered } from "./http.js";
export type { HttpOptions } from "./http.js";
export type { KeptTokens } from "./session.js";
export type { Users, ChangeOptions, CreateOptions, UserFilter, UserPage } from "./users.js";
export type { NewUser, OwnChanges, UserChanges, UserView } from "../rest.js";
export type {
  BikeRemoved,
  BikeUpdateBody,
  Failure,
  GoodbyeNotice,
  LiveBike,
  Member,
  Published,
  RefusalCode,
  RoomReset,
} from "../events.js";
