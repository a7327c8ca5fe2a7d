import assert from 'node:assert/strict';
import { test } from 'node:test';
import { built } from './built.mjs';

const { placeOf, perMeter, latOf, lonOf } = await built('mercator');
const { trackOf, trackAfter, shownAt, restsAtMs, distanceMeters, headingOf } = await built('motion');

const PARIS = placeOf(2.34, 48.86);
const UNIT = perMeter(PARIS.y);
const report = (eastMeters, atMs, more = {}) => ({
  place: { x: PARIS.x + eastMeters * UNIT, y: PARIS.y },
  atMs, seenMs: undefined, speed: undefined, heading: undefined, isMoving: true, ...more,
});
const eastOf = (track, atMs) => (shownAt(track, atMs).x - PARIS.x) / UNIT;

/** A bike that rides east at 5 m/s and reports every so many ms; the track after the last report. */
function riding(reports, intervalMs) {
  let before = report(0, 0);
  let track = trackOf(before);
  for (let number = 1; number < reports; number += 1) {
    const next = report((number * intervalMs * 5) / 1000, number * intervalMs);
    track = trackAfter(track, before, next);
    before = next;
  }
  return track;
}

const near = (actual, expected, by) => assert.ok(Math.abs(actual - expected) <= by, `${actual} is not ${expected}`);

test('places are where they are', () => {
  near(latOf(placeOf(-122.4, 37.7).y), 37.7, 1e-9);
  near(lonOf(placeOf(-122.4, 37.7).x), -122.4, 1e-9);
  near(distanceMeters(placeOf(2.34, 48.86), placeOf(2.34, 48.861)), 111.3, 0.2);
});

test('a steady rider is shown where it is, between reports too', () => {
  const track = riding(8, 6000);
  for (const laterMs of [2000, 3000, 4500, 6000]) {
    near(eastOf(track, 42_000 + laterMs), 5 * (42 + laterMs / 1000), 0.5);
  }
});

test('a marker glides: it does not jump when a report comes', () => {
  const before = report(0, 0, { speed: 5, heading: 90 });
  const track = trackOf(before);
  const shown = eastOf(track, 3000);
  const next = trackAfter(track, before, report(25, 3000, { speed: 5, heading: 90 }));
  near(eastOf(next, 3000), shown, 1e-6);
  const steps = [0, 250, 500, 1000, 1500, 2000].map((ms) => eastOf(next, 3000 + ms));
  assert.deepEqual(steps, [...steps].sort((one, other) => one - other));
  near(eastOf(next, 5000), 35, 0.01);
});

test('a glide takes as long as the usual interval, and never more than two seconds', () => {
  assert.ok(Math.abs(riding(30, 1000).glideMs - 1000) < 1);
  assert.equal(riding(8, 6000).glideMs, 2000);
});

test('it stands still when two reports are overdue', () => {
  const track = riding(30, 1000);
  assert.equal(Math.round(track.freezeMs), 2000);
  assert.equal(eastOf(track, 31_000 + 5_000), eastOf(track, 31_000 + 60_000));
  near(eastOf(track, 60_000), 5 * 29 + 10, 0.2);
});

test('it jumps when it would have to fly', () => {
  const before = report(0, 0);
  const track = trackAfter(trackOf(before), before, report(800, 1000));
  near(eastOf(track, 1000), 800, 1e-6);
  assert.equal(restsAtMs(track), 1000);
});

test('a speed that no bike has is an error of measurement', () => {
  const before = report(0, 0);
  const track = trackAfter(trackOf(before), before, report(400, 1000));
  near(eastOf(track, 60_000), 400, 1e-6);
});

test('a parked bike comes to rest where it says it is', () => {
  const before = report(0, 0);
  const track = trackAfter(trackOf(before), before, report(30, 1000, { isMoving: false }));
  near(eastOf(track, 100_000), 30, 1e-6);
  assert.ok(restsAtMs(track) <= 3000);
});

test('what the bike says of its own clock counts more than when it arrived', () => {
  const before = report(0, 0, { seenMs: 1e12 });
  // five seconds of riding, that came within one
  const track = trackAfter(trackOf(before), before, report(25, 1000, { seenMs: 1e12 + 5000 }));
  near((track.velocity.x / UNIT) * 1000, 5, 0.01);
});

test('headings are degrees clockwise from north', () => {
  assert.equal(headingOf({ x: 0, y: -1 }), 0);
  assert.equal(headingOf({ x: 1, y: 0 }), 90);
  assert.equal(headingOf({ x: -1, y: 0 }), 270);
});
