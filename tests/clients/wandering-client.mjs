// A member that comes and goes, with the official client: `node wandering-client.mjs URL TRANSPORTS SEED ROOM...`.
//
// It joins, leaves, publishes and comes back, as a seed has it, and prints one JSON object a line for whatever happens
// to it in a room. Bytes are printed as {"bytes": hex}. It is told on its standard input to `hush`, which ends its
// publishing, and to `stay`, which brings it into every room for good; it ends with its standard input.

import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const STEP_MS = 60;
const [url, transports, seed, ...rooms] = process.argv.slice(2);
const name = `javascript ${transports}`;
const socket = io(url, {
  auth: { cursors: true },
  reconnectionDelay: 20,
  reconnectionDelayMax: 200,
  ...(transports === 'default' ? {} : { transports: [transports] }),
});
const cursors = {};
const wanted = new Set();
let isHushed = false;
let isStaying = false;
let number = 0;
let random = Number(seed);

// mulberry32: the language has no random numbers that can be asked for again
function dice() {
  random = (random + 0x6d2b79f5) | 0;
  let mixed = Math.imul(random ^ (random >>> 15), 1 | random);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

const choose = (values) => values[Math.floor(dice() * values.length)];

function plain(value) {
  if (Buffer.isBuffer(value)) return { bytes: value.toString('hex') };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
}

const report = (line) => console.log(JSON.stringify(plain(line)));

function join(room) {
  const request = { roomId: room };
  if (cursors[room] && dice() < 0.6) request.since = cursors[room];
  if (dice() < 0.5) request.snapshot = true;
  const peerId = socket.id;
  wanted.add(room);
  socket.emit('join-room', request, ({ data, error }) => {
    if (error) return report({ room, refused: error });
    report({ room, joined: data, peerId, request });
    // the events that were missed bring cursors of their own
    cursors[room] = data.recovered && data.missed ? request.since : data.cursor;
  });
}

function leave(room) {
  wanted.delete(room);
  socket.emit('leave-room', room, () => report({ room, ended: 'left' }));
}

function settle() {
  // answered after all that was asked before it
  socket.emit('presence', rooms[0], () => report({ staying: true }));
}

function publish(room) {
  if (isHushed) return;
  number += 1;
  const author = socket.id;
  const update = { roomId: room, bike_id: `js-${number % 3}`, by: author, tag: `${name} ${number}`, speed: dice() * 100 };
  if (dice() < 0.3) update.note = choose([null, 'a', 'ключ 🚲', '\u2028 "quoted" \\ \n']);
  if (dice() < 0.2) update.picture = Buffer.from(`bytes of ${number}`);
  socket.emit('bike-update', update, ({ data, error }) => {
    if (error) return report({ room, refused: error });
    report({ room, accepted: update, cursor: data.cursor, author });
  });
}

socket.on('connect', () => {
  wanted.forEach(join);
  if (isStaying) settle();
});
socket.on('disconnect', () => rooms.forEach((room) => report({ room, ended: 'disconnected' })));
socket.onAny((event, body, cursor) => {
  if (event === 'goodbye') return;
  report({ room: body.roomId ?? body.room, told: event, body, cursor });
  if (cursor) cursors[body.roomId ?? body.room] = cursor;
});

setInterval(() => {
  if (!socket.connected || isStaying) return;
  const room = choose(rooms);
  choose([join, join, join, leave, publish, publish, () => {}])(room);
  if (dice() < 0.02) socket.disconnect().connect();
}, STEP_MS);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    isHushed = true;
    if (line !== 'stay') return;
    isStaying = true;
    const others = rooms.filter((room) => !wanted.has(room));
    if (!socket.connected) return others.forEach((room) => wanted.add(room));
    others.forEach(join);
    settle();
  })
  .on('close', () => process.exit(0));
