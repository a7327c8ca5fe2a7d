// The client's HTTP side against a real gateway, whose address and administrator's token are in the environment.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Api, connect } from '../../protocol/typescript/dist/index.js';

const { GATEWAY: url, ADMIN: token } = process.env;
const admin = new Api(url, { token });
const PASSWORD = 'correct horse battery';
let number = 0;
const somebody = (more = {}) => ({ email: `somebody-${(number += 1)}@example.org`, name: `Somebody ${number}`, ...more });

test('a user is made once, read, changed by version, and deleted', async () => {
  const body = somebody({ age: 40 });
  const made = await admin.users.create(body, { idempotencyKey: 'one-user' });
  assert.deepEqual(await admin.users.create(body, { idempotencyKey: 'one-user' }), made, 'the same key makes nobody new');
  assert.deepEqual(await admin.users.get(made.id), made);
  const changed = await admin.users.update(made.id, { age: null }, { ifVersion: made.version });
  assert.deepEqual([changed.age, changed.version], [null, made.version + 1]);
  await assert.rejects(admin.users.update(made.id, { age: 50 }, { ifVersion: made.version }), { code: 'PRECONDITION_FAILED', status: 412 });
  await assert.rejects(admin.users.delete(made.id, { ifVersion: made.version }), { status: 412 });
  await admin.users.delete(made.id, { ifVersion: changed.version });
  await assert.rejects(admin.users.get(made.id), { name: 'Refused', code: 'NOT_FOUND', status: 404 });
});

test('a no names each bad field, and a name that is taken', async () => {
  await assert.rejects(admin.users.create({ email: 'nobody', name: 'x' }), (error) => {
    assert.deepEqual([error.code, error.status, Object.keys(error.details.fields).sort()], ['INVALID', 422, ['email', 'name']]);
    return true;
  });
  const taken = somebody();
  await admin.users.create(taken);
  await assert.rejects(admin.users.create({ ...taken, email: taken.email.toUpperCase() }), { code: 'EMAIL_TAKEN', status: 409 });
});

test('each user comes once, page after page', async () => {
  for (let count = 0; count < 7; count += 1) await admin.users.create(somebody({ role: 'operator' }));
  const page = await admin.users.list({ role: 'operator', limit: 3 });
  assert.deepEqual([page.users.length, page.total, typeof page.nextCursor], [3, 7, 'string']);
  const emails = [];
  for await (const user of admin.users.each({ role: 'operator', sort: '-email', limit: 3 })) emails.push(user.email);
  assert.deepEqual(emails, [...new Set(emails)].sort().reverse());
  assert.equal(emails.length, 7);
});

test('whoever signs in stays in beyond the life of a token, with requests and a socket, until signing out', async () => {
  const user = await admin.users.create(somebody());
  await admin.users.setPassword(user.id, PASSWORD);
  const api = new Api(url);
  await assert.rejects(api.users.me(), { code: 'UNAUTHENTICATED', status: 401 });
  await assert.rejects(api.signIn(user.email, 'a wrong one'), { code: 'CREDENTIALS_WRONG' });
  const told = [];
  api.onTokens((kept) => told.push(kept));
  assert.equal((await api.signIn(user.email, PASSWORD)).id, user.id);
  const asked = [];
  const gateway = connect(url, { token: (spent) => { asked.push(spent); return api.token(spent); } });
  await gateway.room('city:paris').join();
  const untilMs = told[0].expiresAtMs + 1_500;
  while (Date.now() < untilMs) {
    assert.equal((await api.users.me()).id, user.id);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.equal(gateway.state, 'connected', 'the socket took the new token too');
  assert.ok(told.length >= 2);
  assert.ok(asked.length <= 5, `each warning brings one fresh token: ${asked.length}`);

  const again = new Api(url, { tokens: told.at(-1) });
  assert.equal((await again.users.updateMe({ name: 'Another name' })).name, 'Another name');
  await assert.rejects(again.users.list(), { code: 'FORBIDDEN', status: 403 });
  gateway.close();
  await again.signOut();
  await assert.rejects(api.users.me(), { code: 'TOKEN_INVALID' }, 'the session is over for whoever had its tokens');
  assert.equal(again.isSignedIn, false);
});

test('a change of role, after which the token is refused, is passed over', async () => {
  const user = await admin.users.create(somebody());
  await admin.users.setPassword(user.id, PASSWORD);
  const api = new Api(url);
  await api.signIn(user.email, PASSWORD);
  await admin.users.update(user.id, { role: 'admin' });
  assert.ok((await api.users.list()).total > 0);
  await api.users.changePassword(PASSWORD, `${PASSWORD} staple`);
  const email = `moved-${user.email}`;
  await assert.rejects(api.users.updateMe({ email }), (error) => 'currentPassword' in error.details.fields);
  assert.equal((await api.users.updateMe({ email, currentPassword: `${PASSWORD} staple` })).email, email);
  await api.signOut();
  assert.equal((await api.signIn(email, `${PASSWORD} staple`)).role, 'admin');
  await api.signOut();
});
