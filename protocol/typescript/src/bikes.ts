// The state of a room: one object for each bike and each station, made of the updates it sent.

import { identityOf, type Identity } from "./identity.js";

/** A bike's or station's present state: every field that an update has set and none has cleared. */
export type Bike = Readonly<Record<string, unknown>>;

export type Update = Readonly<Record<string, unknown>>;

/** Bikes and stations by identity. Objects in it are replaced, never changed. */
export class Bikes {
  readonly bikes = new Map<string, Bike>();
  readonly stations = new Map<string, Bike>();

  of(kind: Identity["kind"]): Map<string, Bike> {
    return kind === "bike" ? this.bikes : this.stations;
  }

  /** Patch the one that the update is about (RFC 7396, top level only); undefined when it is about nobody. */
  apply(update: Update): (Identity & { value: Bike; before: Bike | undefined }) | undefined {
    const identity = identityOf(update);
    if (identity === undefined) return undefined;
    const all = this.of(identity.kind);
    const before = all.get(identity.id);
    const value = patched(before, update);
    all.set(identity.id, value);
    return { ...identity, value, before };
  }

  /** Make the state what a snapshot says it is. */
  replace(snapshot: Iterable<Update>): void {
    this.bikes.clear();
    this.stations.clear();
    for (const value of snapshot) this.apply(value);
  }
}

function patched(before: Bike | undefined, patch: Update): Bike {
  const value: Record<string, unknown> = { ...before };
  for (const [field, content] of Object.entries(patch)) {
    if (content === null) delete value[field];
    else value[field] = content;
  }
  return value;
}
