// Where bikes have been since the page was opened: of all of them, or of the selected one.

import type { Feature, LineString } from "geojson";
import type { Map as MapLibreMap } from "maplibre-gl";
import { sourceOf } from "./basemap.js";
import type { Shown, Stage } from "./fleet.js";
import { latOf, lonOf, type Place } from "./mercator.js";
import { distanceMeters, shownAt } from "./motion.js";
import { colorsOf, type Theme } from "./theme.js";

const POINTS_LIMIT = 240;
const POINTS_LIMIT_OF_MANY = 40;
const LEAST_METERS = 6;
const JUMP_METERS = 500;
/** Beyond so many bikes, all their trails are too much to draw each second, and too much to look at. */
export const BIKES_LIMIT = 1_000;

export class Trails implements Stage {
  private readonly places = new Map<string, Place[]>();
  private readonly shown = new Map<string, Shown>();
  areAllShown = false;
  selectedId: string | undefined;

  show(bike: Shown): void {
    this.shown.set(bike.id, bike);
    const { place } = bike.report;
    const places = this.places.get(bike.id);
    if (places === undefined) {
      this.places.set(bike.id, [place]);
      return;
    }
    const gapMeters = distanceMeters(places[places.length - 1] as Place, place);
    if (gapMeters > JUMP_METERS) places.length = 0; // it was carried, or measured wrongly
    if (gapMeters > LEAST_METERS) places.push(place);
    const limit = this.shown.size > BIKES_LIMIT ? POINTS_LIMIT_OF_MANY : POINTS_LIMIT;
    if (places.length > limit) places.splice(0, places.length - limit);
  }

  hide(id: string): void {
    this.places.delete(id);
    this.shown.delete(id);
  }

  clear(): void {
    this.places.clear();
    this.shown.clear();
  }

  add(map: MapLibreMap, theme: Theme): void {
    map.addSource("trails", {
      type: "geojson",
      data: { type: "FeatureCollection", features: [] },
      lineMetrics: true,
      tolerance: 0.2,
    });
    map.addLayer({
      id: "trails",
      type: "line",
      source: "trails",
      layout: { "line-cap": "round", "line-join": "round" },
      paint: {
        "line-width": ["interpolate", ["linear"], ["zoom"], 12, 1.2, 16, 3],
        "line-gradient": gradientOf(theme),
        "line-opacity": 0.7,
      },
    });
  }

  paint(map: MapLibreMap, theme: Theme): void {
    map.setPaintProperty("trails", "line-gradient", gradientOf(theme));
  }

  draw(map: MapLibreMap, nowMs: number): void {
    const features: Feature<LineString>[] = [];
    for (const [id, places] of this.places) {
      const isWanted = id === this.selectedId || (this.areAllShown && this.shown.size <= BIKES_LIMIT);
      const bike = this.shown.get(id);
      if (!isWanted || !bike || places.length < 2) continue;
      // up to where the marker is, which may not have reached the last report
      const line = [...places.slice(0, -1), shownAt(bike.track, nowMs)];
      const coordinates = line.map(({ x, y }) => [lonOf(x), latOf(y)]);
      features.push({ type: "Feature", geometry: { type: "LineString", coordinates }, properties: {} });
    }
    // an empty layer costs as much to draw as a full one
    map.setLayoutProperty("trails", "visibility", features.length > 0 ? "visible" : "none");
    sourceOf(map, "trails").setData({ type: "FeatureCollection", features });
  }
}

function gradientOf(theme: Theme): ["interpolate", ["linear"], ["line-progress"], ...(number | string)[]] {
  const color = colorsOf(theme).riding;
  return ["interpolate", ["linear"], ["line-progress"], 0, `${color}10`, 0.5, `${color}66`, 1, `${color}cc`];
}
