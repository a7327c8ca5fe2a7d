// The streets of an operator's PMTiles file, vector or raster, below the bikes. Loaded only where there is one.

import { addProtocol, type LayerSpecification, type Map as MapLibreMap } from "maplibre-gl";
import { PMTiles, Protocol, TileType } from "pmtiles";
import { rasterPaint } from "./basemap.js";
import { colorsOf, type Colors, type Theme } from "./theme.js";

const SOURCE = "streets";

interface Look {
  /** Names that a layer of tiles has: Protomaps' first, then OpenMapTiles'. */
  readonly of: readonly string[];
  readonly type: "fill" | "line" | "symbol";
  readonly color: (colors: Colors) => string;
  /** Pixels at zoom 10, 14 and 18. */
  readonly width?: readonly [number, number, number];
  readonly minzoom?: number;
  readonly opacity?: number;
}

/** From below to above. What a file does not have is not drawn, and nor is what is not named here. */
const LOOKS: readonly Look[] = [
  { of: ["earth"], type: "fill", color: ({ land }) => land },
  { of: ["landcover", "landuse", "park"], type: "fill", color: ({ coast }) => coast, opacity: 0.18 },
  { of: ["water"], type: "fill", color: ({ water }) => water },
  { of: ["waterway"], type: "line", color: ({ water }) => water, width: [0.5, 1.5, 6] },
  { of: ["buildings", "building"], type: "fill", color: ({ border }) => border, minzoom: 14, opacity: 0.6 },
  { of: ["roads", "transportation"], type: "line", color: ({ stationRim }) => stationRim, width: [0.4, 1.6, 12] },
  { of: ["boundaries", "boundary"], type: "line", color: ({ border }) => border, width: [1, 1, 1] },
  { of: ["places", "place"], type: "symbol", color: ({ quiet }) => quiet },
];

/** Show the streets below a layer; resolves to what their makers want to be said. */
export async function showStreets(map: MapLibreMap, url: string, theme: Theme, below: string): Promise<string> {
  const archive = new PMTiles(new URL(url, document.baseURI).href);
  const protocol = new Protocol();
  protocol.add(archive);
  addProtocol("pmtiles", protocol.tile);
  const [{ tileType, minZoom, maxZoom }, metadata] = await Promise.all([archive.getHeader(), archive.getMetadata()]);
  const isVector = tileType === TileType.Mvt;
  const { attribution = "", vector_layers: layers = [] } = metadata as { attribution?: string; vector_layers?: { id: string }[] };
  const tiles = [`pmtiles://${archive.source.getKey()}/{z}/{x}/{y}`];
  const zooms = { tiles, minzoom: minZoom, maxzoom: maxZoom };
  map.addSource(SOURCE, isVector ? { type: "vector", ...zooms } : { type: "raster", tileSize: 256, ...zooms });
  const names = new Set(layers.map(({ id }) => id));
  for (const layer of isVector ? vectorLayers(names, theme) : [rasterLayer(theme)]) map.addLayer(layer, below);
  map.setLayoutProperty("grid", "visibility", "none"); // there are streets to see distances by
  return textOf(attribution);
}

export function paintStreets(map: MapLibreMap, theme: Theme): void {
  for (const { id, type } of map.getSource(SOURCE) ? map.getStyle().layers : []) {
    if (!id.startsWith(`${SOURCE}-`)) continue;
    const paint = type === "raster" ? rasterPaint(theme) : paintOf(LOOKS[Number(id.split("-")[1])] as Look, theme);
    for (const [name, value] of Object.entries(paint)) map.setPaintProperty(id, name as "fill-color", value as string);
  }
}

function rasterLayer(theme: Theme): LayerSpecification {
  return { id: `${SOURCE}-raster`, type: "raster", source: SOURCE, paint: rasterPaint(theme) };
}

function vectorLayers(names: ReadonlySet<string>, theme: Theme): LayerSpecification[] {
  return LOOKS.flatMap((look, index) =>
    look.of.filter((name) => names.has(name)).map((name) => layerOf(look, `${SOURCE}-${index}-${name}`, name, theme)),
  );
}

function layerOf(look: Look, id: string, name: string, theme: Theme): LayerSpecification {
  const { type, minzoom = 0 } = look;
  return {
    id,
    type,
    source: SOURCE,
    "source-layer": name,
    minzoom,
    ...(type === "fill" && { filter: ["==", ["geometry-type"], "Polygon"] }),
    ...(type === "line" && { layout: { "line-cap": "round", "line-join": "round" } }),
    ...(type === "symbol" && { layout: { "text-field": ["get", "name"], "text-size": 12 } }),
    paint: paintOf(look, theme),
  } as LayerSpecification;
}

function paintOf({ type, color, width, opacity = 1 }: Look, theme: Theme): Record<string, unknown> {
  const colors = colorsOf(theme);
  if (type === "symbol") return { "text-color": color(colors), "text-halo-color": colors.halo, "text-halo-width": 1.2 };
  if (type === "fill") return { "fill-color": color(colors), "fill-opacity": opacity };
  const [far, near, close] = width ?? [1, 1, 1];
  return { "line-color": color(colors), "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, far, 14, near, 18, close] };
}

/** An attribution is HTML by custom; the page shows the words of it. */
function textOf(html: string): string {
  return new DOMParser().parseFromString(html, "text/html").body.textContent ?? "";
}
