import assert from 'node:assert/strict';
import { test } from 'node:test';
import { built } from './built.mjs';

const { flatPolygons, flatLines } = await built('antimeridian');

const lons = (ring) => ring.map(([lon]) => lon);
const widthOf = (ring) => Math.max(...lons(ring)) - Math.min(...lons(ring));
const areaOf = (ring) =>
  Math.abs(ring.slice(1).reduce((sum, [x, y], index) => sum + ring[index][0] * y - x * ring[index][1], 0)) / 2;

test('what does not go across stays as it is, holes included', () => {
  const ring = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]];
  const hole = [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]];
  assert.deepEqual(flatPolygons([ring, hole]), [[ring, hole]]);
});

test('what goes across becomes two parts, one on each side, as large as before', () => {
  const island = [[170, 60], [-170, 60], [-170, 70], [170, 70], [170, 60]];
  const parts = flatPolygons([island]).map(([ring]) => ring);
  assert.equal(parts.length, 2);
  assert.deepEqual(parts.map(widthOf), [10, 10]);
  assert.deepEqual(parts.map(areaOf), [100, 100]);
  for (const ring of parts) assert.deepEqual(ring[0], ring[ring.length - 1], 'it is closed');
});

test('a continent around the pole reaches to the edge of the map', () => {
  const around = Array.from({ length: 37 }, (_, index) => [((index * 10 + 5 + 180) % 360) - 180, -70]);
  const parts = flatPolygons([around]).map(([ring]) => ring);
  const area = parts.map(areaOf).reduce((sum, each) => sum + each, 0);
  assert.ok(Math.abs(area - 360 * 15.06) < 1, String(area));
  for (const ring of parts) assert.ok(Math.min(...ring.map(([, lat]) => lat)) < -85);
});

test('lines are cut where they would cross the map', () => {
  assert.deepEqual(flatLines([[[170, 1], [179, 2], [-179, 3], [-170, 4]]]), [
    [[170, 1], [179, 2]],
    [[-179, 3], [-170, 4]],
  ]);
});
