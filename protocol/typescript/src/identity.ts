// Which bike or station an update is about, by the rule that the gateway has.

export interface Identity {
  readonly kind: "bike" | "station";
  readonly id: string;
}

const BIKE_FIELDS = ["bike_id", "vehicle_id", "bikeId", "id"] as const;
const BIKE_LIMIT_CHARACTERS = 200;
// the gateway counts a prefix of its own
const STATION_LIMIT_CHARACTERS = BIKE_LIMIT_CHARACTERS - "station/".length;

/** The first identity field that holds a string or an integer (`17` and `"17"` are one bike); else `station_id`. */
export function identityOf(update: Readonly<Record<string, unknown>>): Identity | undefined {
  for (const field of BIKE_FIELDS) {
    const id = textOf(update[field]);
    if (id !== undefined) return id !== "" && fits(id, BIKE_LIMIT_CHARACTERS) ? { kind: "bike", id } : undefined;
  }
  const id = textOf(update["station_id"]);
  return id !== undefined && fits(id, STATION_LIMIT_CHARACTERS) ? { kind: "station", id } : undefined;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return Number.isInteger(value) ? String(value) : undefined;
}

function fits(text: string, limitCharacters: number): boolean {
  // a code point is one or two units: only in between has anybody to count
  return text.length <= limitCharacters || (text.length <= 2 * limitCharacters && [...text].length <= limitCharacters);
}
