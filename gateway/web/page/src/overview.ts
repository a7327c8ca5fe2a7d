// What stands for the bikes when one is too far away to tell them apart: clusters with numbers.

import type { Feature, Point } from "geojson";
import type { GeoJSONSource, Map as MapLibreMap } from "maplibre-gl";
import { sourceOf } from "./basemap.js";
import type { Fleet } from "./fleet.js";
import { latOf, lonOf } from "./mercator.js";
import { shownAt } from "./motion.js";
import { BIKES_FROM_ZOOM } from "./sprites.js";
import { colorsOf, type Theme } from "./theme.js";

const RADIUS_PIXELS = 56;
const UNTIL_ZOOM = BIKES_FROM_ZOOM + 0.25;

export function addOverview(map: MapLibreMap, theme: Theme): void {
  const colors = colorsOf(theme);
  map.addSource("overview", {
    type: "geojson",
    data: { type: "FeatureCollection", features: [] },
    cluster: true,
    clusterMaxZoom: Math.floor(BIKES_FROM_ZOOM),
    clusterRadius: RADIUS_PIXELS,
  });
  map.addLayer({
    id: "clusters",
    type: "circle",
    source: "overview",
    maxzoom: UNTIL_ZOOM,
    paint: {
      "circle-color": colors.cluster,
      "circle-radius": ["interpolate", ["linear"], ["sqrt", ["coalesce", ["get", "point_count"], 1]], 1, 5, 2, 11, 10, 18, 70, 34],
      "circle-stroke-color": colors.halo,
      "circle-stroke-width": 2,
      "circle-opacity": 0.92,
    },
  });
  map.addLayer({
    id: "cluster-numbers",
    type: "symbol",
    source: "overview",
    maxzoom: UNTIL_ZOOM,
    filter: ["has", "point_count"],
    layout: {
      "text-field": ["get", "point_count_abbreviated"],
      "text-font": ["sans-serif"],
      "text-size": 12,
      "text-allow-overlap": true,
    },
    paint: { "text-color": colors.clusterInk },
  });
}

export function paintOverview(map: MapLibreMap, theme: Theme): void {
  const colors = colorsOf(theme);
  map.setPaintProperty("clusters", "circle-color", colors.cluster);
  map.setPaintProperty("clusters", "circle-stroke-color", colors.halo);
  map.setPaintProperty("cluster-numbers", "text-color", colors.clusterInk);
}

export function isOverview(map: MapLibreMap): boolean {
  return map.getZoom() < UNTIL_ZOOM;
}

export function showOverview(map: MapLibreMap, fleet: Fleet, nowMs: number): void {
  const features: Feature<Point>[] = [];
  for (const bike of fleet.bikes.values()) {
    const { x, y } = shownAt(bike.track, nowMs);
    features.push({ type: "Feature", geometry: { type: "Point", coordinates: [lonOf(x), latOf(y)] }, properties: {} });
  }
  sourceOf(map, "overview").setData({ type: "FeatureCollection", features });
}

/** The zoom at which the cluster at that point of the screen falls apart; undefined where there is none. */
export async function expansionZoom(map: MapLibreMap, point: { x: number; y: number }): Promise<number | undefined> {
  const [hit] = map.queryRenderedFeatures([point.x, point.y], { layers: ["clusters"] });
  if (!hit) return undefined;
  const id = hit.properties["cluster_id"] as number | undefined;
  if (id === undefined) return BIKES_FROM_ZOOM + 2;
  return (map.getSource("overview") as GeoJSONSource).getClusterExpansionZoom(id);
}
