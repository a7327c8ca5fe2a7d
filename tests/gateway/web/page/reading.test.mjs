import assert from 'node:assert/strict';
import { test } from 'node:test';
import { built } from './built.mjs';

const { readingOf, ageOf, seenMsOf, FRESHNESS } = await built('reading');
const { agoText, compassText, distanceText, speedText } = await built('words');

const at = { lat: 48.86, lon: 2.34 };
const kindOf = (bike) => readingOf({ ...at, ...bike }).kind;

test('without a place there is nothing to show', () => {
  for (const bike of [{}, { lat: 48 }, { lat: '48', lon: '2' }, { lat: 91, lon: 2 }, { lat: NaN, lon: 2 }, { lat: null, lon: null }]) {
    assert.equal(readingOf(bike), undefined);
  }
});

test('kinds follow what a bike says, the plainest word first', () => {
  assert.equal(kindOf({}), 'parked');
  assert.equal(kindOf({ vehicle_state: 'on_trip' }), 'riding');
  assert.equal(kindOf({ vehicle_state: 'reserved' }), 'reserved');
  assert.equal(kindOf({ vehicle_state: 'non_operational' }), 'broken');
  assert.equal(kindOf({ is_reserved: 1, is_disabled: 0 }), 'reserved');
  assert.equal(kindOf({ is_reserved: true, is_disabled: true }), 'broken');
  assert.equal(kindOf({ speed: 4 }), 'riding');
  assert.equal(kindOf({ speed: 0.1 }), 'parked');
  assert.equal(kindOf({ vehicle_state: 5, speed: 'fast' }), 'parked');
});

test('a bike tells when it was seen, in one of three ways, or not', () => {
  assert.equal(seenMsOf({ timestamp: 1763884800123 }), 1763884800123);
  assert.equal(seenMsOf({ last_reported: 1763884800 }), 1763884800000);
  assert.equal(seenMsOf({ last_reported: '2025-11-23T08:00:00Z' }), 1763884800000);
  for (const value of [0, 86400, 'yesterday', null, {}]) assert.equal(seenMsOf({ last_reported: value }), undefined);
});

test('how old is too old depends on what a bike is doing', () => {
  const ages = (freshness) => [10, 100, 1_000, 10_000, 100_000].map((seconds) => ageOf(seconds * 1000, freshness));
  assert.deepEqual(ages(FRESHNESS.moving), ['fresh', 'stale', 'lost', 'lost', 'lost']);
  assert.deepEqual(ages(FRESHNESS.parked), ['fresh', 'fresh', 'fresh', 'stale', 'lost']);
  assert.deepEqual(ages(FRESHNESS.station), ['fresh', 'fresh', 'stale', 'lost', 'lost']);
});

test('numbers are said as people say them', () => {
  assert.deepEqual([0, 45_000, 150_000, 7.3e6, 2.6e8].map(agoText), ['now', '45 s ago', '3 min ago', '2 h ago', '3 days ago']);
  assert.deepEqual([40, 940, 1_240, 19_000].map(distanceText), ['40 m', '940 m', '1.2 km', '19 km']);
  assert.deepEqual([0, 44, 350].map(compassText), ['north', 'north-east', 'north']);
  assert.equal(speedText(5), '18 km/h');
});
