// The client package, told what to do by its test: `node kit-client.mjs URL OPTIONS`.
//
// A command is one JSON object a line on standard input: {"join": room}, {"leave": room}, {"show": room},
// {"update": body, "in": room}, {"publish": name, "data": any, "in": room}. It prints one JSON object a line for
// whatever happens, and ends with its standard input. OPTIONS are those of `connect`; `tokens` is a list of tokens
// to be given out one after the other.

import { createInterface } from 'node:readline';
import { connect } from '../../protocol/typescript/dist/index.js';

const [url, text] = process.argv.slice(2);
const { tokens, ...options } = JSON.parse(text);
if (tokens) options.token = () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
const gateway = connect(url, options);
const report = (line) => console.log(JSON.stringify(line));
const known = new Map();

gateway.on('state', (connection, reason) => report({ connection, reason }));
gateway.on('goodbye', (goodbye) => report({ goodbye }));

function roomOf(id) {
  if (known.has(id)) return known.get(id);
  const room = gateway.room(id);
  known.set(id, room);
  room.on('state', (state) => report({ room: id, state, missed: room.missed }));
  room.on('event', (event, data) => report({ room: id, event, data }));
  room.subscribe((change) => report({ room: id, change }));
  return room;
}

const settled = (promise, what) =>
  promise.then(
    (value) => report({ ...what, done: value ?? null }),
    (error) => report({ ...what, failed: error.message, code: error.code }),
  );

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    if (command.join) void settled(roomOf(command.join).join(), { join: command.join });
    if (command.leave) roomOf(command.leave).leave();
    if (command.update) void settled(roomOf(command.in).update(command.update), { update: command.update });
    if (command.publish) void settled(roomOf(command.in).publish(command.publish, command.data), { publish: command.publish });
    if (command.show) {
      const { bikes, stations, state } = roomOf(command.show);
      report({ shown: command.show, state, waiting: gateway.waiting, bikes: Object.fromEntries(bikes), stations: Object.fromEntries(stations) });
    }
  })
  .on('close', () => process.exit(0));
