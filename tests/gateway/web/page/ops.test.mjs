import assert from 'node:assert/strict';
import { test } from 'node:test';
import { built } from './built.mjs';

const { History, KEPT_SECONDS, deliveriesOf } = await built('ops/history');
const { faultsOf, lampsOf, lightOf } = await built('ops/health');
const { bytesText, countText, durationText, millisecondsText } = await built('ops/numbers');

const worker = (changes = {}) => ({
  workerId: 'aaaaaa', host: 'here', slot: 0, state: 'accepting', connections: 3, fastPerSecond: 10, slowPerSecond: 1, busyShare: 0.1, lagSeconds: 0.001,
  isStoreWell: true, broker: { kind: 'redis', isWell: true, silentSeconds: 0.4, waiting: 2 }, ...changes,
});
const told = (atMs, workers = [worker()], changes = {}) => ({ atMs, workers, refusals: {}, latency: null, ...changes });

test('numbers of all workers that speak are added up, those of silent ones are not', () => {
  const history = new History();
  history.add(told(1_000, [worker(), worker({ workerId: 'bbbbbb', connections: 4 })]));
  history.add(told(2_000, [worker(), worker({ workerId: 'bbbbbb', connections: 4, state: 'gone' })]));
  assert.deepEqual(history.total(60, ({ connections }) => connections), [7, 3]);
  assert.deepEqual(history.ofWorker(60, 'bbbbbb', ({ connections }) => connections), [4, null]);
  assert.deepEqual(history.ofWorker(60, 'nobody', ({ connections }) => connections), [null, null]);
  assert.equal(deliveriesOf(worker()), 11);
});

test('where reports were missed a plot has a gap, and time never goes back', () => {
  const history = new History();
  history.add(told(10_000));
  history.add(told(20_000));
  history.add(told(19_000));
  assert.deepEqual(history.times(60), [10, 11, 20, 20.001]);
  assert.deepEqual(history.total(60, () => 1), [1, null, 1, 1]);
});

test('a quarter of an hour is kept, and a range shows its part of it', () => {
  const history = new History();
  for (let second = 0; second <= KEPT_SECONDS + 100; second += 1) history.add(told(second * 1_000));
  assert.equal(history.times(KEPT_SECONDS * 2).length, KEPT_SECONDS + 1);
  assert.equal(history.times(60).length, 61);
});

test('refusals are added up over the range, the most frequent first', () => {
  const history = new History();
  history.add(told(1_000, [worker()], { refusals: { FORBIDDEN: 50 } }));
  history.add(told(100_000, [worker()], { refusals: { FORBIDDEN: 1, TOO_FAST: 2 } }));
  history.add(told(101_000, [worker()], { refusals: { TOO_FAST: 2 } }));
  const refusals = (overview) => overview.refusals;
  assert.deepEqual(history.counted(60, refusals), [['TOO_FAST', 4], ['FORBIDDEN', 1]]);
  assert.deepEqual(history.counted(900, refusals), [['FORBIDDEN', 51], ['TOO_FAST', 4]]);
});

test('a healthy gateway has no fault and three good lights, in words too', () => {
  assert.deepEqual(faultsOf(told(1, [worker()])), []);
  const lamps = lampsOf(told(1, [worker(), worker({ workerId: 'bbbbbb' })]));
  assert.deepEqual(lamps.map(({ light }) => light), ['good', 'good', 'good']);
  assert.equal(lamps[0].text, '2 accepting');
  assert.match(lamps[1].text, /connected; last beat 0\.4 s ago, 4 waiting/);
});

test('each kind of fault is told by its name, and of whom', () => {
  const ill = [
    worker({ state: 'gone' }),
    worker({ workerId: 'b', state: 'unheard' }),
    worker({ workerId: 'c', broker: { kind: 'redis', isWell: false } }),
    worker({ workerId: 'd', isStoreWell: false }),
    worker({ workerId: 'e', lagSeconds: 0.5 }),
    worker({ workerId: 'f', busyShare: 0.95 }),
    worker({ workerId: 'g', state: 'left' }),
  ];
  assert.deepEqual(faultsOf(told(1, ill)).map(({ id }) => id), ['gone aaaaaa', 'unheard b', 'redis c', 'store d', 'late e', 'busy f']);
  assert.deepEqual(lampsOf(told(1, ill)).map(({ light }) => light), ['bad', 'bad', 'bad']);
  assert.match(lampsOf(told(1, ill))[1].text, /away for 1 of 4 workers/);
});

test('one who drains or has left is no fault, and not all is well either', () => {
  assert.equal(lampsOf(told(1, [worker(), worker({ state: 'draining' })]))[0].light, 'wait');
  assert.deepEqual(['accepting', 'draining', 'left', 'unheard', 'gone'].map((state) => lightOf(worker({ state }))), ['good', 'wait', 'wait', 'wait', 'bad']);
});

test('without Redis there is nothing to be away', () => {
  const lamp = lampsOf(told(1, [worker({ broker: { kind: 'embedded', isWell: true, silentSeconds: null } })]))[1];
  assert.deepEqual([lamp.name, lamp.light], ['Broker', 'good']);
});

test('numbers are written as operators read them', () => {
  assert.deepEqual([0, 0.01, 3.25, 9.97, 1234.5].map(countText), ['0', '0', '3.3', '10', '1,235']);
  assert.deepEqual([0.25, 12.3].map(millisecondsText), ['0.3 ms', '12 ms']);
  assert.deepEqual([null, 2_048, 2 ** 21, 2 ** 31].map(bytesText), ['unknown', '2 kB', '2 MB', '2.0 GB']);
  assert.deepEqual([900, 180_000, 8_000_000, 200_000_000].map(durationText), ['1 s', '3 min', '2 h', '2 days']);
});
