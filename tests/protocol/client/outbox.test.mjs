import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Outbox } from '../../../protocol/typescript/dist/outbox.js';

const taken = { data: { roomId: 'r', cursor: 'c' } };
const turns = async () => { for (let turn = 0; turn < 20; turn += 1) await null; };

/** A gateway that notes what it is sent, and answers when it is told to. */
function gateway() {
  const sent = [];
  const send = (name) => (key) => new Promise((resolve, reject) => sent.push({ name, key, resolve, reject }));
  return { sent, send, names: () => sent.map(({ name }) => name) };
}

test('nothing is sent without a connection, and everything in order with one', async () => {
  const { send, names } = gateway();
  const outbox = new Outbox(10);
  for (const name of ['a', 'b', 'c']) void outbox.add(send(name));
  assert.deepEqual(names(), []);
  outbox.open();
  assert.deepEqual(names(), ['a', 'b', 'c']);
  assert.equal(outbox.size, 3);
});

test('what had no answer is sent again with its own key', async () => {
  const { sent, send } = gateway();
  const outbox = new Outbox(10);
  outbox.open();
  const first = outbox.add(send('a'));
  outbox.shut();
  outbox.open();
  assert.equal(sent.length, 2);
  assert.equal(sent[0].key, sent[1].key);
  sent[0].reject(new Error('too late'));
  await turns();
  assert.equal(sent.length, 2, 'the end of an old attempt changes nothing');
  sent[1].resolve(taken);
  assert.deepEqual(await first, taken.data);
  assert.equal(outbox.size, 0);
});

test('two publications have two keys', () => {
  const { sent, send } = gateway();
  const outbox = new Outbox(10);
  outbox.open();
  void outbox.add(send('a'));
  void outbox.add(send('b'));
  assert.notEqual(sent[0].key, sent[1].key);
});

test('a refusal is final, unless it says when to try again', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { sent, send } = gateway();
  const outbox = new Outbox(10);
  outbox.open();
  const one = outbox.add(send('a'));
  sent[0].resolve({ error: { code: 'FORBIDDEN', message: 'no' } });
  await assert.rejects(one, { code: 'FORBIDDEN' });
  const other = outbox.add(send('b'));
  sent[1].resolve({ error: { code: 'TOO_FAST', message: 'slow', details: { retryAfterMs: 700 } } });
  await turns();
  mock.timers.tick(600);
  assert.equal(sent.length, 2);
  mock.timers.tick(200);
  assert.equal(sent.length, 3);
  sent[2].resolve(taken);
  await other;
  mock.timers.reset();
});

test('only so much waits: the oldest that nobody has seen makes room', async () => {
  const { send } = gateway();
  const outbox = new Outbox(2);
  const first = outbox.add(send('a'));
  void outbox.add(send('b'));
  void outbox.add(send('c'));
  await assert.rejects(first, /Too much waits/);
  assert.equal(outbox.size, 2);
});

test('only so many are under way at once', async () => {
  const { sent, send } = gateway();
  const outbox = new Outbox(500);
  for (let number = 0; number < 120; number += 1) void outbox.add(send(number));
  outbox.open();
  assert.equal(sent.length, 50);
  sent[0].resolve(taken);
  await turns();
  assert.equal(sent.length, 51);
});

test('what was sent long ago is not sent again: its key is forgotten', async () => {
  const { sent, send } = gateway();
  let now = 0;
  const outbox = new Outbox(10, () => now);
  outbox.open();
  const lost = outbox.add(send('a'));
  outbox.shut();
  const waiting = outbox.add(send('b'));
  now = 5 * 60_000;
  outbox.open();
  await assert.rejects(lost, /not known/);
  assert.deepEqual(sent.map(({ name }) => name), ['a', 'b']);
  sent[1].resolve(taken);
  await waiting;
});

test('after the end everything is rejected', async () => {
  const { send } = gateway();
  const outbox = new Outbox(10);
  const never = outbox.add(send('a'));
  outbox.close(new Error('over'));
  await assert.rejects(never, /over/);
});
