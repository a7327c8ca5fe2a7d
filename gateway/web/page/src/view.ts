// The map itself: its layers, its camera, and what is under the pointer.

import type { Bike, Identity } from "@paceline/client";
import { Map as MapLibreMap, setWorkerUrl } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { paintBasemap, roundMeters, showGrid, showLand, styleOf } from "./basemap.js";
import { part, say } from "./dom.js";
import type { Fleet } from "./fleet.js";
import { latOf, lonOf, placeOf, type Place } from "./mercator.js";
import { addOverview, expansionZoom, isOverview, paintOverview, showOverview } from "./overview.js";
import { readingOf } from "./reading.js";
import { Sprites } from "./sprites.js";
import { addStations, paintStations, showStations } from "./stations.js";
import type { Theme } from "./theme.js";
import { Trails } from "./trails.js";
import { distanceText } from "./words.js";

setWorkerUrl(new URL(workerUrl, import.meta.url).href);

const WORLD_PIXELS = 512;
const TOUCH_PIXELS = 18;
const CLOSEST_FIT_ZOOM = 16;
const SELECTED_ZOOM = 15;
const SCALE_PIXELS = 90;
/** Of all places, how many may lie outside of what is shown at the start: one lost bike must not show the world. */
const OUTLIERS = 0.02;
const isMotionWanted = !matchMedia("(prefers-reduced-motion: reduce)").matches;

/** What lies under the bikes beside the land. */
export interface Under {
  tilesUrl?: string;
  pmtilesUrl?: string;
}

export class View {
  readonly map: MapLibreMap;
  readonly sprites = new Sprites();
  readonly trails = new Trails();
  /** Resolves when the layers are there. */
  readonly ready: Promise<void>;
  /** Resolves to what the makers of the streets want to be said; to nothing without streets. */
  readonly attribution: Promise<string | undefined>;
  private paintStreets: ((map: MapLibreMap, theme: Theme) => void) | undefined;
  private theme: Theme;
  /** The graphics card has forgotten the map, and there is no style to draw with. */
  private isLost = false;

  constructor(theme: Theme, { tilesUrl, pmtilesUrl }: Under) {
    this.theme = theme;
    const map = new MapLibreMap({
      container: part("map"),
      style: styleOf(theme, tilesUrl),
      center: [8, 30],
      zoom: 1.3,
      maxPitch: 0, // the markers are drawn flat, with north up
      dragRotate: false,
      pitchWithRotate: false,
      attributionControl: false,
      fadeDuration: 0,
    });
    this.map = map;
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.getCanvas().setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom. The list of bikes is behind it.");
    this.ready = map.once("load").then(() => {
      this.trails.add(map, theme);
      map.addLayer(this.sprites);
      addStations(map, this.theme);
      addOverview(map, this.theme);
      this.paint(this.theme);
      map.on("moveend", () => this.isLost || showGrid(map));
      map.on("move", () => this.showScale());
      showGrid(map);
      this.showScale();
    });
    map.on("webglcontextlost", () => (this.isLost = true));
    // MapLibre brings its own layers back when the graphics card forgets everything, and leaves others to their owners
    map.on("style.load", () => {
      if (!this.isLost) return;
      this.isLost = false;
      map.addLayer(this.sprites, "stations");
      this.paint(this.theme);
    });
    void this.ready.then(() => showLand(map)).catch(() => undefined); // without it there are still the bikes
    this.attribution = this.ready.then(() => pmtilesUrl && this.addStreets(pmtilesUrl));
    part("zoom-in").addEventListener("click", () => map.zoomIn());
    part("zoom-out").addEventListener("click", () => map.zoomOut());
  }

  paint(theme: Theme): void {
    this.theme = theme;
    if (this.isLost || !this.map.getLayer("clusters")) return; // `ready` paints
    paintBasemap(this.map, theme);
    paintStations(this.map, theme);
    paintOverview(this.map, theme);
    this.trails.paint(this.map, theme);
    this.paintStreets?.(this.map, theme);
    this.sprites.paint(theme);
  }

  private async addStreets(url: string): Promise<string> {
    const { paintStreets, showStreets } = await import("./streets.js"); // most pages have none
    const attribution = await showStreets(this.map, url, this.theme, "trails");
    this.paintStreets = paintStreets;
    paintStreets(this.map, this.theme); // it may have been switched meanwhile
    return attribution;
  }

  // ---- the camera

  /** Show all that is in the room; without anything, leave the view as it is. */
  fit(fleet: Fleet, stations: ReadonlyMap<string, Bike>, isSudden: boolean): void {
    const places = [...[...fleet.bikes.values()].map((bike) => bike.report.place), ...placesOf(stations)];
    const [west, east] = spread(places.map(({ x }) => x));
    const [north, south] = spread(places.map(({ y }) => y));
    if (west === undefined || east === undefined || north === undefined || south === undefined) return;
    const isNarrow = this.map.getCanvas().clientWidth < 720;
    this.map.fitBounds([lonOf(west), latOf(south), lonOf(east), latOf(north)], {
      padding: isNarrow ? { top: 120, bottom: 90, left: 24, right: 24 } : { top: 70, bottom: 50, left: 60, right: 80 },
      maxZoom: CLOSEST_FIT_ZOOM,
      animate: !isSudden && isMotionWanted,
    });
  }

  goTo(place: Place): void {
    this.map.easeTo({
      center: [lonOf(place.x), latOf(place.y)],
      zoom: Math.max(this.map.getZoom(), SELECTED_ZOOM),
      animate: isMotionWanted,
    });
  }

  /** Keep a moving place in the middle; called again and again, it moves along evenly. */
  followTo(place: Place, durationMs: number): void {
    this.map.easeTo({ center: [lonOf(place.x), latOf(place.y)], duration: durationMs, easing: (share) => share, animate: isMotionWanted });
  }

  // ---- what is where

  /** The bike or station at a point of the screen. */
  at(point: { x: number; y: number }, fleet: Fleet, nowMs: number): Identity | undefined {
    if (this.isLost || isOverview(this.map)) return undefined;
    const [station] = this.map.queryRenderedFeatures([point.x, point.y], { layers: ["stations"] });
    if (station) return { kind: "station", id: String(station.properties["id"]) };
    const { lng, lat } = this.map.unproject([point.x, point.y]);
    const bike = fleet.nearest(placeOf(lng, lat), TOUCH_PIXELS / this.worldPixels, nowMs);
    return bike && { kind: "bike", id: bike.id };
  }

  async openCluster(point: { x: number; y: number }): Promise<void> {
    if (!isOverview(this.map)) return;
    const zoom = await expansionZoom(this.map, point);
    if (zoom !== undefined) this.map.easeTo({ center: this.map.unproject([point.x, point.y]), zoom, animate: isMotionWanted });
  }

  get center(): Place {
    const { lng, lat } = this.map.getCenter();
    return placeOf(lng, lat);
  }

  isInView(place: Place): boolean {
    return this.map.getBounds().contains([lonOf(place.x), latOf(place.y)]);
  }

  // ---- drawing

  drawStations(stations: ReadonlyMap<string, Bike>, wallMs: number): void {
    if (!this.isLost) showStations(this.map, stations, wallMs);
  }

  /** What moves slowly enough to be drawn a few times a second. */
  drawSlow(fleet: Fleet, nowMs: number): void {
    if (this.isLost) return;
    this.trails.draw(this.map, nowMs);
    if (isOverview(this.map)) showOverview(this.map, fleet, nowMs);
    this.map.triggerRepaint(); // bikes grow stale without moving
  }

  private get worldPixels(): number {
    return WORLD_PIXELS * 2 ** this.map.getZoom();
  }

  private showScale(): void {
    const metersPerPixel = (40_075_016.68 * Math.cos((this.map.getCenter().lat * Math.PI) / 180)) / this.worldPixels;
    const meters = roundMeters(SCALE_PIXELS * metersPerPixel);
    part("scale").style.width = `${Math.round(meters / metersPerPixel)}px`;
    say(part("scale-text"), distanceText(meters));
  }
}

function placesOf(stations: ReadonlyMap<string, Bike>): Place[] {
  const readings = [...stations.values()].map(readingOf).filter((reading) => reading !== undefined);
  return readings.map(({ lon, lat }) => placeOf(lon, lat));
}

function spread(values: number[]): [number | undefined, number | undefined] {
  const sorted = values.sort((one, other) => one - other);
  const cut = sorted.length > 20 ? Math.floor(sorted.length * OUTLIERS) : 0;
  return [sorted[cut], sorted[sorted.length - 1 - cut]];
}
