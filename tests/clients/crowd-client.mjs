// Many sockets of the official client with its default transports: `node crowd-client.mjs URL TOKEN COUNT [AT-ONCE]`.
//
// So many of them are on their way at once. Prints one JSON object each time it looks how many are there; ends with
// its standard input.

import { io } from 'socket.io-client';

const LOOK_MS = 100;
const [url, token, count, atOnce = 50] = process.argv.slice(2);
const failures = {};
const sockets = [];

const fail = (what) => {
  failures[what] = (failures[what] ?? 0) + 1;
};

function begin() {
  const socket = io(url, { auth: { token }, forceNew: true, reconnection: false, timeout: 60_000 });
  socket.on('connect_error', (error) => fail(`connect: ${error.message}`));
  socket.on('disconnect', (reason, details) => {
    // of an HTTP request: its status, and what it was answered
    const { message, description, context } = details ?? {};
    fail(['disconnect', reason, message, description?.message ?? description, context?.responseText].join(': '));
  });
  socket.io.engine.on('upgradeError', (error) => fail(`upgrade: ${error.message}`));
  sockets.push(socket);
}

function look() {
  const connected = sockets.filter((socket) => socket.connected).length;
  const upgraded = sockets.filter((socket) => socket.io.engine.transport?.name === 'websocket').length;
  console.log(JSON.stringify({ connected, upgraded, failures }));
  while (sockets.length < Number(count) && sockets.length - upgraded < Number(atOnce)) begin();
}

setInterval(look, LOOK_MS);
process.stdin.resume().on('end', () => process.exit(0));
