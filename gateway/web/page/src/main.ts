// The page: it joins a room, shows its snapshot and then every change. This module only connects the parts.

import type { Change, Identity, Room } from "@paceline/client";
import "./both.css";
import "./style.css";
import { Card } from "./card.js";
import { made, part, say } from "./dom.js";
import { ageAt, Fleet } from "./fleet.js";
import { Listing, type Row } from "./listing.js";
import { placeOf, type Place } from "./mercator.js";
import { distanceMeters, shownAt } from "./motion.js";
import { readingOf } from "./reading.js";
import { Rider } from "./rider.js";
import { Session } from "./session.js";
import { stationOf } from "./stations.js";
import { Status } from "./status.js";
import { ThemeSwitch, type Theme } from "./theme.js";
import { BIKES_LIMIT } from "./trails.js";
import { View, type Under } from "./view.js";
import { AGE_WORDS, distanceText, KIND_WORDS } from "./words.js";

const SLOW_MS = 500;
const STATIONS_EVERY_MS = 30_000;

interface PageConfig extends Under {
  room?: string;
  attribution?: string;
}

const config = await configOf();
const status = new Status();
const theme = new ThemeSwitch(part<HTMLButtonElement>("theme"), (name) => view.paint(name));
const view = viewOf(theme.theme);
const fleet = new Fleet([view.sprites, view.trails]);
const session = new Session(status, { entered, changed }, config.room ?? "");
const card = new Card({ close: () => select(undefined), follow: (isOn) => (isFollowing = isOn) });
const listing = new Listing(select, showList);
const rider = new Rider(() => session.room, (id) => select({ kind: "bike", id }));
let selected: Identity | undefined;
let isFollowing = false;
let hasFitted = false;
let areStationsDirty = true;
let stationsDrawnAtMs = 0;
let changes = 0;
let rate = 0;

if (config.attribution) say(part("attribution"), config.attribution);
view.attribution.then(
  (text) => text && !config.attribution && say(part("attribution"), text),
  () => status.tell("The operator's map of streets cannot be read."),
);
await view.ready;
session.begin();
setInterval(drawSlow, SLOW_MS);
setInterval(countSlow, 1_000);
// for the console: `paceline.room.bikes`, and where a marker is right now
Object.assign(globalThis, { paceline: { get room() { return session.room; }, map: view.map, shown } });

// ---- what the room tells

function entered(_: Room): void {
  rider.stop();
  fleet.clear();
  select(undefined);
  hasFitted = false;
  areStationsDirty = true;
}

function changed(change: Change): void {
  changes += 1;
  const room = session.room as Room;
  if (change.type === "replace") {
    fleet.replace(room.bikes, performance.now(), Date.now());
    areStationsDirty = true;
  } else if (change.kind === "station") {
    areStationsDirty = true;
  } else if (change.type === "set") {
    fleet.set(change.id, change.value, performance.now(), Date.now());
  } else {
    fleet.delete(change.id);
  }
  if (!hasFitted && room.bikes.size + room.stations.size > 0) {
    hasFitted = true;
    view.fit(fleet, room.stations, true);
    countSlow();
  }
}

// ---- what is drawn now and then

function drawSlow(): void {
  const nowMs = performance.now();
  if (document.hidden) return;
  if (areStationsDirty || nowMs - stationsDrawnAtMs > STATIONS_EVERY_MS) {
    view.drawStations(session.room?.stations ?? new Map(), Date.now());
    areStationsDirty = false;
    stationsDrawnAtMs = nowMs;
  }
  view.drawSlow(fleet, nowMs);
  const bike = selected?.kind === "bike" ? fleet.bikes.get(selected.id) : undefined;
  if (bike && isFollowing) view.followTo(shownAt(bike.track, nowMs + SLOW_MS), SLOW_MS);
}

function countSlow(): void {
  rate = rate * 0.6 + changes * 0.4;
  changes = 0;
  status.showRate(rate);
  if (document.hidden) return;
  showCounts();
  showCard();
  if (listing.isOpen) showList();
}

function showCounts(): void {
  const { stale, lost, ...kinds } = fleet.counts(performance.now());
  const counts: [string, number, string][] = [
    ...Object.entries(kinds).map(([kind, count]): [string, number, string] => [kind, count, KIND_WORDS[kind as keyof typeof kinds]]),
    ["stale", stale, "stale"],
    ["lost", lost, "lost"],
    ["station", session.room?.stations.size ?? 0, "stations"],
  ];
  const list = part("counts");
  counts.forEach(([name, count, word], index) => {
    const item = list.children[index] ?? list.appendChild(made("li", {}, made("i"), made("b"), made("span")));
    (item as HTMLElement).hidden = count === 0 && name !== "riding" && name !== "parked";
    (item as HTMLElement).dataset["kind"] = name;
    say(item.children[1] as HTMLElement, count.toLocaleString("en"));
    say(item.children[2] as HTMLElement, word);
  });
}

function showCard(): void {
  if (!selected) return;
  const bodies = selected.kind === "bike" ? session.room?.bikes : session.room?.stations;
  const body = bodies?.get(selected.id);
  if (!body) card.showGone();
  else if (selected.kind === "station") card.showStation(body, Date.now());
  else card.showBike(body, fleet.bikes.get(selected.id), performance.now());
}

function showList(): void {
  const nowMs = performance.now();
  const { center } = view;
  const { sought } = listing;
  const found: (Row & { meters: number })[] = [];
  const take = (kind: Identity["kind"], id: string, place: Place, detail: () => string) => {
    if (sought ? !id.toLowerCase().includes(sought) : !view.isInView(place)) return;
    const meters = distanceMeters(center, place);
    found.push({ kind, id, meters, text: id, get detail() { return `${detail()}, ${distanceText(meters)}`; } });
  };
  for (const bike of fleet.bikes.values()) {
    take("bike", bike.id, shownAt(bike.track, nowMs), () => AGE_WORDS[ageAt(bike, nowMs)] || KIND_WORDS[bike.kind]);
  }
  for (const [id, body] of session.room?.stations ?? []) {
    const reading = readingOf(body);
    if (reading) take("station", id, placeOf(reading.lon, reading.lat), () => `station, ${stationOf(body, Date.now()).bikes ?? "?"} bikes`);
  }
  listing.show(found.sort((one, other) => one.meters - other.meters));
}

// ---- what the reader does

function select(identity: Identity | undefined): void {
  selected = identity;
  const bikeId = identity?.kind === "bike" ? identity.id : undefined;
  view.sprites.select(bikeId);
  view.trails.selectedId = bikeId;
  if (!identity) {
    card.close();
    return;
  }
  card.open(identity);
  showCard();
  const place = placeOfSelected();
  if (place && !view.isInView(place)) view.goTo(place);
}

function placeOfSelected(): Place | undefined {
  if (!selected) return undefined;
  if (selected.kind === "bike") {
    const bike = fleet.bikes.get(selected.id);
    return bike && shownAt(bike.track, performance.now());
  }
  const reading = readingOf(session.room?.stations.get(selected.id) ?? {});
  return reading && placeOf(reading.lon, reading.lat);
}

/** Where a bike's marker is drawn right now. */
function shown(id: string): Place | undefined {
  const bike = fleet.bikes.get(id);
  return bike && shownAt(bike.track, performance.now());
}

view.map.on("click", ({ point }) => {
  const hit = view.at(point, fleet, performance.now());
  select(hit);
  if (!hit) void view.openCluster(point);
});
view.map.on("mousemove", ({ point }) => {
  view.map.getCanvas().style.cursor = view.at(point, fleet, performance.now()) ? "pointer" : "";
});
view.map.on("moveend", () => {
  if (listing.isOpen) showList();
});
view.map.on("dragstart", () => card.setFollowing(false));
addEventListener("keydown", (event) => {
  if (event.key === "Escape") select(undefined);
});
part("fit").addEventListener("click", () => view.fit(fleet, session.room?.stations ?? new Map(), false));
part("trails").addEventListener("click", () => {
  view.trails.areAllShown = !view.trails.areAllShown;
  part("trails").setAttribute("aria-pressed", String(view.trails.areAllShown));
  if (view.trails.areAllShown && fleet.bikes.size > BIKES_LIMIT) {
    status.tell(`Trails of more than ${BIKES_LIMIT.toLocaleString("en")} bikes are not drawn; select one to see its trail.`);
  }
  drawSlow();
});

function viewOf(name: Theme): View {
  try {
    return new View(name, config);
  } catch (error) {
    status.show("closed", String(error));
    say(part("toast"), "This browser cannot draw the map: it has no WebGL 2.");
    part("toast").dataset["shown"] = "";
    throw error;
  }
}

async function configOf(): Promise<PageConfig> {
  try {
    const answer = await fetch("map.json");
    return ((await answer.json()) as { data: PageConfig }).data;
  } catch {
    return {}; // the map works without it
  }
}
