// Generated from the classes in protocol/ by `python -m protocol.generate`. Do not edit.
//
//     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url);
//     socket.emit("join-room", "city:paris", (answer) => { ... });
//
// An application's own events, sent with `publish`, are added to what the client hears:
//
//     Socket<ServerToClientEvents & { "ride-started": (ride: Ride) => void }, ClientToServerEvents>
//
// `emitWithAck`, and `emit` after `timeout`, know the answer's type when it is not optional:
//
//     Socket<ServerToClientEvents, Acknowledged<ClientToServerEvents>>

/** The `live` profile: a GBFS 3 vehicle or station with MDS telemetry; checked, never rewritten. */
export interface LiveBike {
  op?: "remove" | "upsert";
  bike_id?: string | null;
  vehicle_id?: string | null;
  bikeId?: string | null;
  id?: string | null;
  station_id?: string | null;
  timestamp?: number | null;
  last_reported?: number | string | null;
  lat?: number | null;
  lon?: number | null;
  vehicle_state?: "available" | "elsewhere" | "missing" | "non_contactable" | "non_operational" | "on_trip" | "removed" | "reserved" | "stopped" | null;
  is_reserved?: boolean | number | null;
  is_disabled?: boolean | number | null;
  is_installed?: boolean | number | null;
  is_renting?: boolean | number | null;
  is_returning?: boolean | number | null;
  speed?: number | null;
  heading?: number | null;
  altitude?: number | null;
  horizontal_accuracy?: number | null;
  current_fuel_percent?: number | null;
  current_range_meters?: number | null;
  num_bikes_available?: number | null;
  num_vehicles_available?: number | null;
  num_docks_available?: number | null;
  vehicle_type_id?: string | null;
  ext?: Record<string, unknown> | null;
  [field: string]: unknown;
}

/** Enter a room; `since` asks for what was missed after a cursor, `snapshot` for the present. */
export interface JoinRoom {
  roomId: string;
  since?: string | null;
  snapshot?: boolean;
}

/** Answer to `join-room`; `recovered` and `missed` only when `since` was given. */
export interface Joined {
  roomId: string;
  cursor: string;
  recovered?: boolean;
  missed?: number;
  snapshot?: BikeUpdateBody[];
}

/** Leave a room; leaving a room one is not in is no fault. */
export interface LeaveRoom {
  roomId: string;
}

/** Answer to `leave-room`. */
export interface Left {
  roomId: string;
}

/** The object of a bike-update: the fields that the gateway reads; all others pass untouched. */
export interface BikeUpdateBody {
  roomId: string;
  op?: "remove" | "upsert";
  bike_id?: string | number | null;
  vehicle_id?: string | number | null;
  bikeId?: string | number | null;
  id?: string | number | null;
  station_id?: string | number | null;
  timestamp?: number | string | null;
  last_reported?: number | string | null;
  [field: string]: unknown;
}

/** What may stand beside a bike-update, as a second argument: the object itself is verbatim. */
export interface UpdateOptions {
  idempotencyKey?: string | null;
}

/** Answer to `bike-update` and `publish`: where the publication stands in the room's history. */
export interface Published {
  roomId: string;
  cursor: string;
}

/** Any other event for a room; `data` reaches the others verbatim. */
export interface Publish {
  roomId: string;
  event: string;
  data?: unknown;
  idempotencyKey?: string | null;
}

/** Ask who is in a room. */
export interface Presence {
  roomId: string;
}

/** A peer in a room, as others see it. */
export interface Member {
  peerId: string;
  subject: string;
}

/** Answer to `presence`. */
export interface Members {
  roomId: string;
  members: Member[];
}

/** Replace the token of a live socket; the subject must stay the same. */
export interface Authenticate {
  token: string;
}

/** Answer to `authenticate`. */
export interface Authenticated {
  subject: string;
  role: string;
  expiresAtMs?: number | null;
}

/** A bike (or a station) is gone: an update said so, or nothing was heard of it for too long. */
export interface BikeRemoved {
  roomId: string;
  reason: string;
  bikeId?: string;
  stationId?: string;
}

/** Somebody came in; only in rooms of a kind with presence. */
export interface MemberJoined {
  roomId: string;
  member: Member;
}

/** Somebody went out; only in rooms of a kind with presence. */
export interface MemberLeft {
  roomId: string;
  member: Member;
}

/** Continuity of a room is lost: fetch the snapshot again. */
export interface RoomReset {
  roomId: string;
  reason: string;
}

/** The socket's token is about to expire: send `authenticate` with a new one. */
export interface TokenExpiring {
  expiresAtMs: number;
}

/** Said just before the gateway closes the socket. */
export interface GoodbyeNotice {
  code: number;
  reason: string;
  reconnectAfterMs?: number;
}

export type RefusalCode =
  | "MALFORMED"
  | "INVALID_ROOM"
  | "INVALID_CURSOR"
  | "UNKNOWN_EVENT"
  | "RESERVED_EVENT"
  | "UNAUTHENTICATED"
  | "CREDENTIALS_WRONG"
  | "SIGN_IN_FAILED"
  | "TOKEN_INVALID"
  | "TOKEN_EXPIRED"
  | "SIGN_IN_AGAIN"
  | "FORBIDDEN"
  | "TOO_MANY_ROOMS"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "CONFLICT"
  | "EMAIL_TAKEN"
  | "CURSOR_GONE"
  | "PRECONDITION_FAILED"
  | "TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "INVALID"
  | "KEY_REUSED"
  | "TOO_FAST"
  | "INTERNAL"
  | "UNAVAILABLE";

export type GoodbyeCode =
  | 3000
  | 3001
  | 3002
  | 3003
  | 3004
  | 3500
  | 3501
  | 3502
  | 3503;

/** What an acknowledgement holds: `data`, or the reason why not. */
export type Answer<Data> =
  | { data: Data; meta?: Record<string, unknown>; error?: undefined }
  | { error: Failure; data?: undefined; meta?: undefined };

export type Acknowledge<Data> = (answer: Answer<Data>) => void;

/** A no to one request. */
export interface Failure {
  code: RefusalCode;
  message: string;
  details?: unknown;
}

/** The same events, each with its acknowledgement. */
export type Acknowledged<Events> = {
  [Name in keyof Events]: Events[Name] extends (...sent: infer Sent) => void
    ? (...sent: Required<Sent>) => void
    : never;
};

export interface ClientToServerEvents {
  /** Enter a room. */
  "join-room": (...sent: [request: string | JoinRoom, acknowledge?: Acknowledge<Joined>]) => void;
  /** Leave a room. */
  "leave-room": (...sent: [request: string | LeaveRoom, acknowledge?: Acknowledge<Left>]) => void;
  /** Tell a room the news of a bike. */
  "bike-update": (...sent: [request: BikeUpdateBody, acknowledge?: Acknowledge<Published>] | [request: BikeUpdateBody, options: UpdateOptions, acknowledge?: Acknowledge<Published>]) => void;
  /** Send any other event to a room. */
  "publish": (...sent: [request: Publish, acknowledge?: Acknowledge<Published>]) => void;
  /** Ask who is in a room. */
  "presence": (...sent: [request: string | Presence, acknowledge?: Acknowledge<Members>]) => void;
  /** Replace the token of this socket. */
  "authenticate": (...sent: [request: Authenticate, acknowledge?: Acknowledge<Authenticated>]) => void;
}

export interface ServerToClientEvents {
  /** The object of a bike-update, verbatim. */
  "bike-updated": (message: BikeUpdateBody) => void;
  /** A bike is gone. */
  "bike-removed": (message: BikeRemoved) => void;
  /** Somebody entered the room. */
  "member-joined": (message: MemberJoined) => void;
  /** Somebody left the room. */
  "member-left": (message: MemberLeft) => void;
  /** Continuity is lost; fetch the snapshot again. */
  "room-reset": (message: RoomReset) => void;
  /** The token is about to expire. */
  "token-expiring": (message: TokenExpiring) => void;
  /** The gateway is about to close this socket. */
  "goodbye": (message: GoodbyeNotice) => void;
}
