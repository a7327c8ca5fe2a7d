// Stations: a disc with the number of bikes, and around it how much of the station they fill.

import type { Bike } from "@paceline/client";
import type { Feature, FeatureCollection, Point } from "geojson";
import type { Map as MapLibreMap } from "maplibre-gl";
import { sourceOf } from "./basemap.js";
import { FRESHNESS, ageOf, isTrue, numberIn, readingOf, seenMsOf } from "./reading.js";
import { colorsOf, type Theme } from "./theme.js";

const STEPS = 12;
const ICON_PIXELS = 34;
const RATIO = 2;
export const STATIONS_FROM_ZOOM = 11.5;

export interface Station {
  bikes: number | undefined;
  docks: number | undefined;
  isOpen: boolean;
  isStale: boolean;
}

export function stationOf(body: Bike, wallMs: number): Station {
  const seenMs = seenMsOf(body);
  const says = (field: string) => body[field] === undefined || isTrue(body[field]);
  return {
    bikes: numberIn(body["num_vehicles_available"] ?? body["num_bikes_available"], 0, 100_000),
    docks: numberIn(body["num_docks_available"], 0, 100_000),
    isOpen: says("is_installed") && (says("is_renting") || says("is_returning")),
    isStale: seenMs !== undefined && ageOf(wallMs - seenMs, FRESHNESS.station) !== "fresh",
  };
}

export function addStations(map: MapLibreMap, theme: Theme): void {
  drawIcons(map, theme);
  map.addSource("stations", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
  map.addLayer({
    id: "stations",
    type: "symbol",
    source: "stations",
    minzoom: STATIONS_FROM_ZOOM,
    layout: {
      "icon-image": ["get", "icon"],
      "icon-size": ["interpolate", ["linear"], ["zoom"], 11.5, 0.4, 13, 0.74, 15, 1],
      "icon-allow-overlap": true,
      "text-field": ["step", ["zoom"], "", 12.6, ["get", "text"]],
      "text-font": ["sans-serif"],
      "text-size": ["interpolate", ["linear"], ["zoom"], 12.6, 9, 13, 10, 15, 12.5],
      "text-allow-overlap": true,
      "symbol-sort-key": ["get", "order"],
    },
    paint: { "text-color": colorsOf(theme).ink, "icon-opacity": ["get", "opacity"], "text-opacity": ["get", "opacity"] },
  });
}

export function paintStations(map: MapLibreMap, theme: Theme): void {
  drawIcons(map, theme);
  map.setPaintProperty("stations", "text-color", colorsOf(theme).ink);
}

export function showStations(map: MapLibreMap, stations: ReadonlyMap<string, Bike>, wallMs: number): void {
  const features: Feature<Point>[] = [];
  for (const [id, body] of stations) {
    const reading = readingOf(body);
    if (!reading) continue;
    const { bikes, docks, isOpen, isStale } = stationOf(body, wallMs);
    const places = (bikes ?? 0) + (docks ?? 0);
    const filled = bikes && places ? Math.max(1, Math.round((bikes / places) * STEPS)) : 0;
    features.push({
      type: "Feature",
      geometry: { type: "Point", coordinates: [reading.lon, reading.lat] },
      properties: {
        id,
        icon: isOpen ? `station-${docks === undefined && bikes ? STEPS : filled}` : "station-closed",
        text: isOpen && bikes !== undefined ? String(bikes) : "",
        opacity: isStale ? 0.45 : 1,
        order: -reading.lat,
      },
    });
  }
  sourceOf(map, "stations").setData({ type: "FeatureCollection", features } satisfies FeatureCollection<Point>);
}

function drawIcons(map: MapLibreMap, theme: Theme): void {
  for (let filled = 0; filled <= STEPS; filled += 1) setIcon(map, `station-${filled}`, drawn(theme, filled / STEPS));
  setIcon(map, "station-closed", drawn(theme, undefined));
}

function setIcon(map: MapLibreMap, name: string, image: ImageData): void {
  if (map.hasImage(name)) map.updateImage(name, image);
  else map.addImage(name, image, { pixelRatio: RATIO });
}

function drawn(theme: Theme, share: number | undefined): ImageData {
  const colors = colorsOf(theme);
  const size = ICON_PIXELS * RATIO;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  const middle = size / 2;
  const arc = (radius: number, from: number, to: number) => {
    pen.beginPath();
    pen.arc(middle, middle, radius, from * 2 * Math.PI - Math.PI / 2, to * 2 * Math.PI - Math.PI / 2);
  };
  pen.fillStyle = colors.station;
  arc(middle - 2, 0, 1);
  pen.fill();
  pen.lineWidth = 3.6 * RATIO;
  pen.lineCap = "round";
  pen.strokeStyle = colors.stationRim;
  arc(middle - 3.6 * RATIO, 0, 1);
  pen.stroke();
  if (share === undefined) {
    pen.strokeStyle = colors.quiet;
    pen.beginPath();
    pen.moveTo(middle - 5 * RATIO, middle);
    pen.lineTo(middle + 5 * RATIO, middle);
    pen.stroke();
  } else if (share > 0) {
    pen.strokeStyle = colors.parked;
    arc(middle - 3.6 * RATIO, 0, share);
    pen.stroke();
  }
  return pen.getImageData(0, 0, size, size);
}
