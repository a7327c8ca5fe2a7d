// Many bare clients of default transports in one process: `node crowd.mjs URL COUNT`.
//
// Prints one JSON object a line for whatever happens to any of them. It ends with its standard input.

import { io } from 'socket.io-client';

const [url, count] = process.argv.slice(2);
const report = (line) => console.log(JSON.stringify(line));

for (let name = 0; name < Number(count); name += 1) {
  const socket = io(url, { forceNew: true });  // or all of them would share one connection
  socket.io.on('open', () => {
    const { engine } = socket.io;
    engine.once('upgrade', (transport) => report({ name, upgraded: transport.name, id: engine.id }));
  });
  socket.on('connect', () => report({ name, connected: socket.io.engine.id }));
  socket.on('connect_error', (error) => report({ name, error: error.message }));
  socket.on('disconnect', (reason) => report({ name, disconnected: reason }));
  socket.on('goodbye', (goodbye) => report({ name, goodbye, at: Date.now() }));
}
process.stdin.resume().on('end', () => process.exit(0));
