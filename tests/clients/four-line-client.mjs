// The four-line program, with the official client: `node four-line-client.mjs URL TRANSPORTS NAME ROOM`.
//
// It joins, tells the room about its bike again and again, and prints one JSON object a line for whatever
// happens. TRANSPORTS is `default` (nothing is asked for) or one transport. It ends with its standard input.

import { pathToFileURL } from 'node:url';
import { io } from 'socket.io-client';

const PAUSE_MS = 100;

// Needs nothing from around it, so that the page in four-line-page.mjs can run the same text.
export function ride(io, url, transports, name, roomId, pauseMs, report) {
  const socket = io(url, transports === 'default' ? {} : { transports: [transports] });
  socket.emit('join-room', roomId);
  socket.on('bike-updated', (update) => {
    report({ name, received: update, transport: socket.io.engine.transport.name });
  });
  socket.on('connect_error', (error) => report({ name, error: error.message }));
  socket.on('disconnect', (reason) => report({ name, disconnected: reason }));
  let number = 0;
  setInterval(() => {
    if (!socket.connected) return;
    number += 1;
    const update = {
      roomId, bikeId: `bike of ${name}`, number, lat: 48.8566, lon: 2.3522, speed: 0.1 + 0.2,
      nested: { list: [1, 'two', null, true, {}], 'ключ 🚲': '\u2028 "quoted" \\ \n' },
    };
    report({ name, sent: update });
    socket.emit('bike-update', update);
  }, pauseMs);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [url, transports, name, roomId] = process.argv.slice(2);
  ride(io, url, transports, name, roomId, PAUSE_MS, (line) => console.log(JSON.stringify(line)));
  process.stdin.resume().on('end', () => process.exit(0));
}
