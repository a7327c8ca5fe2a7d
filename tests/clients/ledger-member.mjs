// Members that keep a record of what they see, with the official client:
// `node ledger-member.mjs URL TOKEN TRANSPORTS COUNT ROOM...`.
//
// Each does what docs/how-to/recover-after-a-gap.md says, and prints one JSON object a line, as
// tests/journeys/ledger/records.py has them. They end with their standard input.

import { io } from 'socket.io-client';

const AGAIN_MS = 300;
const [url, token, transports, count, ...rooms] = process.argv.slice(2);

// the clock that Python calls time.monotonic()
const now = () => Number(process.hrtime.bigint()) / 1e9;

function idOf(event, body) {
  if (event === 'bike-removed') return `remove ${body.bikeId}`;
  return event === 'bike-updated' ? body.bike_id : body.id;
}

function live(who) {
  const cursors = {};
  const asked = new Set();
  const note = (kind, facts = {}) => console.log(JSON.stringify({ at: now(), who, kind, ...facts }));
  const socket = io(url, {
    auth: { token, cursors: true },
    forceNew: true,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    ...(transports === 'default' ? {} : { transports: [transports] }),
  });

  function join(room) {
    const since = cursors[room];
    const { id } = socket;
    asked.add(room);
    note('join_invoke', { room });
    socket.emit('join-room', { roomId: room, snapshot: true, since }, ({ data, error }) => {
      asked.delete(room);
      if (error) {
        note('join_no', { room, reason: error.code });
        // another connection asks for itself
        setTimeout(() => socket.id === id && join(room), AGAIN_MS);
        return;
      }
      const { cursor, recovered, missed } = data;
      const bikes = data.snapshot?.map((bike) => bike.bike_id).filter((id) => id.startsWith('bike '));
      note('join_ok', { room, cursor, since, recovered, missed, bikes });
      // the events that were missed bring cursors of their own
      if (!(recovered && missed)) cursors[room] = cursor;
    });
  }

  socket.on('connect', () => {
    note('up', { id: socket.id });
    asked.clear();
    rooms.forEach(join);
  });
  socket.on('disconnect', (reason) => {
    note('down', { reason });
    // the client takes this for a wish of the server's never to see it again
    if (reason === 'io server disconnect') setTimeout(() => socket.connect(), AGAIN_MS);
  });
  socket.onAny((event, body, cursor) => {
    if (event === 'goodbye') return note('goodbye', { reason: String(body.code) });
    if (event === 'token-expiring') return;
    if (event === 'room-reset') {
      const { roomId: room, reason } = body;
      note('reset', { room, reason });
      delete cursors[room];
      if (!asked.has(room)) join(room);
      return;
    }
    cursors[body.roomId] = cursor;
    note('recv', { room: body.roomId, id: idOf(event, body), cursor });
  });
}

for (let number = 1; number <= Number(count); number += 1) live(`javascript ${transports} ${number}`);
process.stdin.resume().on('end', () => process.exit(0));
