// Reads packets, one a line in base64, and answers each with one line: what the official client makes of it.
// `broken` when it would drop its connection, `odd` when a number or a text is not what was sent, else `fine`.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const clients = createRequire(new URL('../clients/package.json', import.meta.url));
const { Decoder } = createRequire(clients.resolve('socket.io-client'))('socket.io-parser');

function isOdd(value) {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value === 'string') return !isWhole(value);
  if (value === null || typeof value !== 'object') return false;
  return Object.entries(value).some(([name, inner]) => isOdd(name) || isOdd(inner));
}

function isWhole(text) {
  return Buffer.from(text, 'utf8').toString('utf8') === text;
}

function verdictOf(bytes) {
  let packet = null;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const decoder = new Decoder();
    decoder.on('decoded', (decoded) => { packet = decoded; });
    decoder.add(text);
  } catch {
    return 'broken';
  }
  if (packet === null || packet.data.length !== 2) return 'broken';
  return isOdd(packet.data[1]) ? 'odd' : 'fine';
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(verdictOf(Buffer.from(line, 'base64')));
}
