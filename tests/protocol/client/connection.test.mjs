import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { connect } from '../../../protocol/typescript/dist/index.js';

test('closed is closed, also when the token that was waited for never comes', { timeout: 40_000 }, async (t) => {
  const server = createServer((_, response) => response.end(`0${JSON.stringify({ sid: 's', upgrades: [], pingInterval: 1e6, pingTimeout: 1e6, maxPayload: 1e6 })}`));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => { server.close(); server.closeAllConnections(); });
  let asked = 0;
  let fail;
  const token = () => { asked += 1; return new Promise((_, reject) => (fail = reject)); };
  const client = connect(`http://127.0.0.1:${server.address().port}`, { transports: ['polling'], token });
  t.after(() => client.close());
  while (asked === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  client.close();
  fail(new Error('nobody is signed in'));
  for (let turn = 0; turn < 20; turn += 1) await null;
  t.mock.timers.tick(20_000);
  t.mock.timers.reset();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual([client.state, asked], ['closed', 1]);
});
