import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { connect } from '../../../protocol/typescript/dist/index.js';

const SEPARATOR = '\x1e';
const turns = async () => { for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve)); };
const event = (...args) => `42${JSON.stringify(args)}`;
const updated = (number, cursor) => event('bike-updated', { roomId: 'r', bike_id: 'a', number }, cursor);

/**
 * A gateway that speaks by polling, so that several packets come at once. `heard` gives what it says to an event
 * [name, argument, ...] with that number of an acknowledgement; `say` says more at any time.
 */
async function gateway(t, heard, options = {}) {
  let waiting;
  const toSay = [];
  const asked = [];
  const flush = () => {
    if (!waiting || toSay.length === 0) return;
    waiting.end(toSay.splice(0).join(SEPARATOR));
    waiting = undefined;
  };
  const say = (...packets) => { toSay.push(...packets); flush(); };
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      waiting = response;
      if (!request.url.includes('sid=')) toSay.push(`0${JSON.stringify({ sid: 's', upgrades: [], pingInterval: 1e6, pingTimeout: 1e6, maxPayload: 1e6 })}`);
      flush();
      return;
    }
    let body = '';
    for await (const part of request) body += part;
    response.end('ok');
    for (const packet of body.split(SEPARATOR)) {
      if (packet.startsWith('40')) say('40{"sid":"p"}');
      const [, id, args] = /^42(\d*)(\[.*)$/.exec(packet) ?? [];
      if (!args) continue;
      asked.push(JSON.parse(args));
      say(...(heard(JSON.parse(args), (answer) => `43${id}${JSON.stringify([answer])}`) || []));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect(`http://127.0.0.1:${server.address().port}`, { transports: ['polling'], ...options });
  t.after(() => { client.close(); waiting?.end(); server.close(); server.closeAllConnections(); });
  return { client, room: client.room('r'), say, asked, sinces: () => asked.filter(([name]) => name === 'join-room').map(([, { since }]) => since) };
}

const until = async (isTrue) => { while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5)); };
const snapshot = (number, cursor) => ({ data: { roomId: 'r', cursor, snapshot: [{ roomId: 'r', bike_id: 'a', number }] } });

test('what comes right behind the answer to a join is newer than its snapshot', { timeout: 20_000 }, async (t) => {
  const { room, say, sinces } = await gateway(t, ([name], ack) => name === 'join-room' && [ack(snapshot(1, 'c1')), updated(2, 'c2'), updated(3, 'c3')]);
  await room.join();
  await turns();
  assert.equal(room.bikes.get('a').number, 3);
  say(event('room-reset', { roomId: 'r', reason: 'history lost' }));
  await until(() => sinces().length === 2);
  assert.deepEqual(sinces(), [undefined, undefined]);
});

test('a join whose answer was lost begins anew, whatever came meanwhile', { timeout: 20_000 }, async (t) => {
  let joins = 0;
  const answers = ([name], ack) => name === 'join-room' && ((joins += 1) === 1 ? [updated(2, 'c2')] : [ack(snapshot(2, 'c2'))]);
  const { room, sinces } = await gateway(t, answers, { answerTimeoutMs: 200 });
  await room.join();
  assert.deepEqual(sinces(), [undefined, undefined], 'there is nothing yet that could be gone on from');
  assert.equal(room.bikes.get('a').number, 2);
});

test('a room that was left stays left, whatever was on its way', { timeout: 20_000 }, async (t) => {
  const { room, say, sinces } = await gateway(t, ([name], ack) => name === 'join-room' && [ack(snapshot(1, 'c1'))]);
  await room.join();
  room.leave();
  say(event('room-reset', { roomId: 'r', reason: 'history lost' }), updated(2, 'c2'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([room.state, room.bikes.size, sinces().length], ['left', 0, 1]);
});

test('who is taken out of a room does not come back by itself', { timeout: 20_000 }, async (t) => {
  const { room, say, sinces } = await gateway(t, ([name], ack) => name === 'join-room' && [ack(snapshot(1, 'c1'))]);
  await room.join();
  say(event('room-reset', { roomId: 'r', reason: 'removed' }));
  await until(() => room.state !== 'live');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([room.state, room.refusal?.code, sinces().length], ['refused', 'FORBIDDEN', 1]);
  await room.join();
  assert.equal(room.state, 'live', 'when it is asked to, it does');
});

const taken = (more) => ({ data: { roomId: 'r', cursor: 'c9' }, ...more });

test('one\'s own update takes its place among the others, as its answer does', { timeout: 20_000 }, async (t) => {
  const answers = ([name], ack) => [name === 'join-room' ? ack(snapshot(1, 'c1')) : ack(taken())].concat(name === 'bike-update' ? [updated(3, 'c3')] : []);
  const { room } = await gateway(t, answers);
  await room.join();
  await room.update({ bike_id: 'a', number: 2 });
  await turns();
  assert.equal(room.bikes.get('a').number, 3);
});

test('one\'s own update that is taken before a join is answered is not lost', { timeout: 20_000 }, async (t) => {
  let answer;
  const { room, say } = await gateway(t, ([name], ack) => (name === 'join-room' ? void (answer = ack(snapshot(1, 'c1'))) : [ack(taken())]));
  const joined = room.join();
  await room.update({ bike_id: 'a', number: 2 });
  say(answer);
  await joined;
  assert.equal(room.bikes.get('a').number, 2, 'the gateway does not send it to its author');
});

test('one\'s own update that was stale changes nothing here either', { timeout: 20_000 }, async (t) => {
  const stale = taken({ meta: { outcome: 'stale' } });
  const { room } = await gateway(t, ([name], ack) => [ack(name === 'join-room' ? snapshot(1, 'c1') : stale)]);
  await room.join();
  assert.deepEqual(await room.update({ bike_id: 'a', number: 0 }), stale.data);
  assert.equal(room.bikes.get('a').number, 1);
});
