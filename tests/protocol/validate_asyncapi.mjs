// Reads an AsyncAPI document on standard input and prints what the official parser finds in it, as JSON.

import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const { Parser } = createRequire(new URL('../clients/package.json', import.meta.url))('@asyncapi/parser');

const SEVERITIES = ['error', 'warning', 'information', 'hint'];
const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
const operations = document?.operations().all().map((operation) => [operation.id(), operation.action()]);
console.log(JSON.stringify({
  faults: diagnostics.map(({ severity, message, path }) => [SEVERITIES[severity], `${path.join('.')}: ${message}`]),
  operations: Object.fromEntries(operations ?? []),
}));
