// Many sockets of the official client with its default transports: `node crowd-client.mjs URL TOKEN COUNT`.
//
// Prints one JSON object a second, and when all are connected and upgraded; ends with its standard input.

import { io } from 'socket.io-client';

const LOOK_MS = 250;
const [url, token, count] = process.argv.slice(2);
const failures = {};
const sockets = [];

for (let number = 0; number < Number(count); number += 1) {
  const socket = io(url, { auth: { token }, forceNew: true, reconnection: false, timeout: 60_000 });
  const fail = (what) => {
    failures[what] = (failures[what] ?? 0) + 1;
  };
  socket.on('connect_error', (error) => fail(`connect: ${error.message}`));
  socket.on('disconnect', (reason) => fail(`disconnect: ${reason}`));
  socket.io.engine.on('upgradeError', (error) => fail(`upgrade: ${error.message}`));
  sockets.push(socket);
}

function look() {
  const connected = sockets.filter((socket) => socket.connected).length;
  const upgraded = sockets.filter((socket) => socket.io.engine.transport?.name === 'websocket').length;
  console.log(JSON.stringify({ connected, upgraded, failures }));
}

setInterval(look, LOOK_MS);
process.stdin.resume().on('end', () => process.exit(0));
