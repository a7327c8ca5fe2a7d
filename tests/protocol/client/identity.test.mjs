import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Bikes } from '../../../protocol/typescript/dist/bikes.js';
import { identityOf } from '../../../protocol/typescript/dist/identity.js';

test('client and gateway agree on who an update is about', () => {
  // [update, key as the gateway has it or null]: written by test_client.py from the gateway's own rule
  for (const [update, key] of JSON.parse(readFileSync(process.env.IDENTITIES, 'utf8'))) {
    const found = identityOf(update);
    const own = found && (found.kind === 'station' ? `station/${found.id}` : found.id);
    assert.equal(own ?? null, key, JSON.stringify(update));
  }
});

test('an update is a patch: absent stays, null clears, an object is replaced whole', () => {
  const bikes = new Bikes();
  bikes.apply({ id: 'a', lat: 1, lon: 2, bell: { ding: 1, dong: 1 } });
  const before = bikes.bikes.get('a');
  const { value } = bikes.apply({ id: 'a', lon: null, bell: { ding: 2 } });
  assert.deepEqual(value, { id: 'a', lat: 1, bell: { ding: 2 } });
  assert.deepEqual(before, { id: 'a', lat: 1, lon: 2, bell: { ding: 1, dong: 1 } }, 'objects are replaced, not changed');
  assert.equal(bikes.bikes.get('a'), value);
});

test('bikes and stations are apart, and 17 is "17"', () => {
  const bikes = new Bikes();
  bikes.apply({ bike_id: 17, station_id: 's' });
  bikes.apply({ bike_id: '17', lat: 1 });
  bikes.apply({ station_id: 's' });
  assert.deepEqual([[...bikes.bikes.keys()], [...bikes.stations.keys()]], [['17'], ['s']]);
  assert.equal(bikes.apply({ name: 'nobody' }), undefined);
});
