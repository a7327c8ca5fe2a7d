// The cut of a round world along the 180th meridian: rings that go across it would else run once around the map.

import type { Position } from "geojson";

const SOUTH_END = -85.06; // of Web Mercator

/** The flat polygons that one round polygon becomes: itself, or a part on either side of the map. */
export function flatPolygons(rings: Position[][]): Position[][][] {
  const [outer, ...holes] = rings.map(unrolled);
  if (outer === undefined) return [];
  const parts = [-360, 0, 360].map((shift) => clipped(outer, shift)).filter((ring) => ring.length > 3);
  // no hole of the world's land goes across; one that did would be filled
  return parts.map((ring, index) => [ring, ...(index === 0 ? holes : [])]);
}

/** The pieces of lines, none of which crosses the map from one side to the other. */
export function flatLines(lines: Position[][]): Position[][] {
  return lines.flatMap((line) => {
    const pieces: Position[][] = [[]];
    line.forEach((point, index) => {
      const before = line[index - 1];
      if (before && Math.abs(lonOf(point) - lonOf(before)) > 180) pieces.push([]);
      pieces[pieces.length - 1]?.push(point);
    });
    return pieces.filter((piece) => piece.length > 1);
  });
}

/** A ring whose longitudes go on beyond 180 instead of jumping; around a pole, closed along the map's edge. */
function unrolled(ring: Position[]): Position[] {
  let turns = 0;
  const points = ring.map((point, index) => {
    const step = lonOf(point) - lonOf(ring[index - 1] ?? point);
    if (step > 180) turns -= 360;
    if (step < -180) turns += 360;
    return [lonOf(point) + turns, latOf(point)];
  });
  const first = points[0] as Position;
  const last = points[points.length - 1] as Position;
  if (Math.abs(lonOf(first) - lonOf(last)) < 1e-6) return points;
  return [...points, [lonOf(last), SOUTH_END], [lonOf(first), SOUTH_END], first];
}

/** What of a ring, moved by some degrees, lies on the map (Sutherland and Hodgman, on two sides). */
function clipped(ring: Position[], shift: number): Position[] {
  const moved = ring.map((point) => [lonOf(point) + shift, latOf(point)]);
  return clippedAt(clippedAt(moved, -180, 1), 180, -1);
}

function clippedAt(ring: Position[], edge: number, sign: number): Position[] {
  const isInside = (point: Position) => (lonOf(point) - edge) * sign >= 0;
  const kept: Position[] = [];
  ring.forEach((point, index) => {
    const before = ring[(index || ring.length) - 1] as Position;
    if (isInside(point) !== isInside(before)) {
      const share = (edge - lonOf(before)) / (lonOf(point) - lonOf(before));
      kept.push([edge, latOf(before) + (latOf(point) - latOf(before)) * share]);
    }
    if (isInside(point)) kept.push(point);
  });
  const [first, last] = [kept[0], kept[kept.length - 1]];
  const isClosed = !first || !last || (lonOf(first) === lonOf(last) && latOf(first) === latOf(last));
  return isClosed ? kept : [...kept, first];
}

function lonOf(point: Position): number {
  return point[0] as number;
}

function latOf(point: Position): number {
  return point[1] as number;
}
