// Answers one line for each line it reads: what JavaScript makes of a text, or of a Socket.IO packet.
// `json <base64>`                  {"verdict": "fine" | "odd" | "broken"}; odd: an infinity, or half a character
// `packet <base64> <attachments>`  {"type", "nsp", "id", "data"} as the official parser reads it, or {"error"}

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const clients = createRequire(new URL('../clients/package.json', import.meta.url));
const { Decoder } = createRequire(clients.resolve('socket.io-client'))('socket.io-parser');

function isOdd(value) {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('utf8') !== value;
  if (value === null || typeof value !== 'object') return false;
  return Object.entries(value).some(([name, inner]) => isOdd(name) || isOdd(inner));
}

function textOf(bytes) {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

function jsonVerdict(bytes) {
  try {
    return { verdict: isOdd(JSON.parse(textOf(bytes))) ? 'odd' : 'fine' };
  } catch {
    return { verdict: 'broken' };
  }
}

function packetVerdict(bytes, attachments) {
  let packet = null;
  try {
    const decoder = new Decoder();
    decoder.on('decoded', (decoded) => { packet = decoded; });
    decoder.add(textOf(bytes));
    for (let number = 0; number < attachments; number += 1) decoder.add(Buffer.from(`${number}`));
  } catch (error) {
    return { error: error.message };
  }
  if (packet === null) return { error: 'not whole' };
  return { type: packet.type, nsp: packet.nsp, id: packet.id, data: packet.data };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [question, base64, number] = line.split(' ');
  const bytes = Buffer.from(base64, 'base64');
  console.log(JSON.stringify(question === 'json' ? jsonVerdict(bytes) : packetVerdict(bytes, Number(number))));
}
