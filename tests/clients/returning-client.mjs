// A member that is cut off and comes back, with the official client: `node returning-client.mjs URL TRANSPORTS ROOM...`.
//
// It asks to be recovered, joins its rooms when it is new and never when it was recovered, and prints one JSON object a
// line for whatever happens. On its standard input it is told to `drop` its connection, to `part` for good and come
// back, or to `publish ROOM TEXT`; it ends with it.

import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const [url, transports, ...rooms] = process.argv.slice(2);
const report = (line) => console.log(JSON.stringify(line));
const socket = io(url, {
  auth: { recover: true },
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
  ...(transports === 'default' ? {} : { transports: [transports] }),
});

socket.on('connect', () => {
  report({ connected: socket.id, recovered: socket.recovered });
  if (socket.recovered) return;
  rooms.forEach((room) => socket.emit('join-room', room, ({ data }) => report({ joined: data.roomId })));
});
socket.on('disconnect', (reason) => report({ disconnected: reason }));
socket.on('connect_error', (error) => report({ error: error.message }));
socket.onAny((event, ...received) => report({ event, received }));
socket.io.engine.on('upgrade', ({ name }) => report({ upgraded: name }));

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [word, room, text] = line.split(' ');
    if (word === 'drop') socket.io.engine.close();
    else if (word === 'part') socket.disconnect().connect();
    else socket.emit('publish', { roomId: room, event: 'note', data: text }, ({ data }) => report({ published: text, data }));
  })
  .on('close', () => process.exit(0));
