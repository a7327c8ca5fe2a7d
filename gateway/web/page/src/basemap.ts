// What lies under the bikes: land and borders of Natural Earth, a grid to see distances by, or an operator's tiles.

import type { Feature, FeatureCollection } from "geojson";
import type { ExpressionSpecification, GeoJSONSource, Map as MapLibreMap, StyleSpecification } from "maplibre-gl";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import worldUrl from "world-atlas/countries-50m.json?url";
import { flatLines, flatPolygons } from "./antimeridian.js";
import { colorsOf, type Theme } from "./theme.js";

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const IS_LAND: ExpressionSpecification = ["==", ["geometry-type"], "Polygon"];
const IS_COAST: ExpressionSpecification = ["==", ["get", "kind"], "coast"];
const IS_BORDER: ExpressionSpecification = ["==", ["get", "kind"], "border"];
const GRID_FROM_ZOOM = 9;
const GRID_STEP_PIXELS = 90;

/** The style at the start; everything that comes later has its source here already. */
export function styleOf(theme: Theme, tilesUrl: string | undefined): StyleSpecification {
  const colors = colorsOf(theme);
  const geojson = (more: object = {}) => ({ type: "geojson" as const, data: EMPTY, ...more });
  return {
    version: 8,
    sources: {
      world: geojson({ tolerance: 0.5 }),
      grid: geojson(),
      ...(tilesUrl && { tiles: { type: "raster", tiles: [tilesUrl], tileSize: 256, maxzoom: 19 } }),
    },
    layers: [
      { id: "water", type: "background", paint: { "background-color": colors.water } },
      // layers of one source one after the other: between sources, tiles have to be masked anew
      { id: "land", type: "fill", source: "world", filter: IS_LAND, paint: { "fill-color": colors.land, "fill-antialias": false } },
      { id: "coast", type: "line", source: "world", filter: IS_COAST, paint: { "line-color": colors.coast, "line-width": 1 } },
      { id: "borders", type: "line", source: "world", filter: IS_BORDER, paint: { "line-color": colors.border, "line-width": 1 } },
      { id: "grid", type: "line", source: "grid", minzoom: GRID_FROM_ZOOM, paint: { "line-color": colors.grid, "line-width": 1 } },
      ...(tilesUrl ? [{ id: "tiles", type: "raster" as const, source: "tiles", paint: rasterPaint(theme) }] : []),
    ],
  };
}

export function rasterPaint(theme: Theme): Record<string, number> {
  return theme === "dark"
    ? { "raster-saturation": -0.8, "raster-brightness-max": 0.45, "raster-contrast": 0.1 }
    : { "raster-saturation": -0.45, "raster-brightness-max": 1, "raster-contrast": -0.1 };
}

export function paintBasemap(map: MapLibreMap, theme: Theme): void {
  const colors = colorsOf(theme);
  map.setPaintProperty("water", "background-color", colors.water);
  map.setPaintProperty("land", "fill-color", colors.land);
  map.setPaintProperty("grid", "line-color", colors.grid);
  map.setPaintProperty("coast", "line-color", colors.coast);
  map.setPaintProperty("borders", "line-color", colors.border);
  if (!map.getLayer("tiles")) return;
  for (const [name, value] of Object.entries(rasterPaint(theme))) {
    map.setPaintProperty("tiles", name as "raster-saturation", value);
  }
}

/** Fetch the land, from this gateway, and show it. */
export async function showLand(map: MapLibreMap): Promise<void> {
  const answer = await fetch(worldUrl);
  const world = (await answer.json()) as Topology<{ countries: GeometryCollection }>;
  const { countries } = world.objects;
  const lines = (kind: string, isShared: boolean): Feature => {
    const { coordinates } = mesh(world, countries, (one, other) => (one !== other) === isShared);
    return { type: "Feature", geometry: { type: "MultiLineString", coordinates: flatLines(coordinates) }, properties: { kind } };
  };
  // country by country: all land as one polygon is more than the triangulation takes
  const land = feature(world, countries).features.map(({ geometry }): Feature => {
    const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.type === "MultiPolygon" ? geometry.coordinates : [];
    return { type: "Feature", geometry: { type: "MultiPolygon", coordinates: polygons.flatMap(flatPolygons) }, properties: {} };
  });
  sourceOf(map, "world").setData({
    type: "FeatureCollection",
    features: [...land, lines("coast", false), lines("border", true)],
  });
}

/** Lines a round number of meters apart, for the part of the world that is seen. */
export function showGrid(map: MapLibreMap): void {
  const source = sourceOf(map, "grid");
  if (map.getZoom() < GRID_FROM_ZOOM) return;
  const bounds = map.getBounds();
  const middle = (bounds.getNorth() + bounds.getSouth()) / 2;
  const lonPerMeter = 1 / (111_320 * Math.cos((middle * Math.PI) / 180));
  const latPerMeter = 1 / 110_574;
  const metersPerPixel = (40_075_016.68 * Math.cos((middle * Math.PI) / 180)) / (512 * 2 ** map.getZoom());
  const step = roundMeters(GRID_STEP_PIXELS * metersPerPixel);
  const margin = { lon: step * lonPerMeter * 4, lat: step * latPerMeter * 4 };
  const west = bounds.getWest() - margin.lon;
  const east = bounds.getEast() + margin.lon;
  const south = bounds.getSouth() - margin.lat;
  const north = bounds.getNorth() + margin.lat;
  // the same lines wherever one pans to: steps are counted from a latitude that changes rarely
  const lonStep = step / (111_320 * Math.cos((Math.round(middle) * Math.PI) / 180));
  const latStep = step * latPerMeter;
  const lines: number[][][] = [];
  for (let lon = Math.ceil(west / lonStep) * lonStep; lon < east; lon += lonStep) lines.push([[lon, south], [lon, north]]);
  for (let lat = Math.ceil(south / latStep) * latStep; lat < north; lat += latStep) lines.push([[west, lat], [east, lat]]);
  source.setData({ type: "MultiLineString", coordinates: lines });
}

/** The round number of meters next to that one: 1, 2 or 5 with zeros. */
export function roundMeters(meters: number): number {
  const power = 10 ** Math.floor(Math.log10(meters));
  const digit = meters / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

export function sourceOf(map: MapLibreMap, id: string): GeoJSONSource {
  return map.getSource(id) as GeoJSONSource;
}
