import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Http, Unanswered } from '../../../protocol/typescript/dist/http.js';
import { Refused } from '../../../protocol/typescript/dist/refused.js';
import { Session } from '../../../protocol/typescript/dist/session.js';

const json = (status, body, headers = {}) => new Response(body && JSON.stringify(body), { status, headers });
const tokens = (number, expiresInSeconds = 600) => ({
  data: { accessToken: `access-${number}`, refreshToken: `refresh-${number}`, expiresInSeconds, session: {}, user: { id: 'u' } },
});
const no = (status, code, details = {}, headers = {}) => json(status, { error: { code, message: code, details } }, headers);

/** A gateway that notes what it is asked and gives the next of its answers; a function is called for one. */
function gateway(...answers) {
  const asked = [];
  const fetch = async (url, { method, headers, body }) => {
    asked.push({ url, method, headers: Object.fromEntries(headers), body: body && JSON.parse(body) });
    const answer = answers.shift();
    return typeof answer === 'function' ? answer() : answer;
  };
  return { asked, http: new Http('http://g/', { fetch }) };
}
const away = () => { throw new TypeError('fetch failed'); };

test('parameters without a value are left out, and the answer is data and meta', async () => {
  const { asked, http } = gateway(json(200, { data: [1], meta: { total: 1 } }), json(204));
  const answer = await http.send({ method: 'GET', path: '/api/users', query: { role: 'rider', name: undefined, email: null, disabled: false } }, 't');
  assert.deepEqual(answer, { data: [1], meta: { total: 1 } });
  assert.equal(asked[0].url, 'http://g/api/users?role=rider&disabled=false');
  assert.equal(asked[0].headers.authorization, 'Bearer t');
  assert.deepEqual(await http.send({ method: 'DELETE', path: '/x' }), { data: undefined, meta: {} });
});

test('a no says its code, its status and its details', async () => {
  const { http } = gateway(no(422, 'INVALID', { fields: { age: 'too small' } }));
  await assert.rejects(http.send({ method: 'GET', path: '/x', mayRepeat: true }), (error) => {
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.code, error.status, error.details, error.retryAfterMs], ['INVALID', 422, { fields: { age: 'too small' } }, undefined]);
    return true;
  });
});

test('what may be repeated is, after the time that was named; what may not is not', async () => {
  const { asked, http } = gateway(no(503, 'UNAVAILABLE', {}, { 'Retry-After': '0' }), away, json(502, undefined), json(200, { data: 1 }));
  assert.equal((await http.send({ method: 'GET', path: '/x', mayRepeat: true })).data, 1);
  assert.equal(asked.length, 4);
  const strict = gateway(no(503, 'UNAVAILABLE', { retryAfterMs: 5 }), json(200, { data: 1 }));
  await assert.rejects(strict.http.send({ method: 'PATCH', path: '/x' }), { code: 'UNAVAILABLE', retryAfterMs: 5 });
  const silent = gateway(away);
  await assert.rejects(silent.http.send({ method: 'PATCH', path: '/x' }), Unanswered);
  const balancer = gateway(new Response('<h1>Bad gateway', { status: 502 }));
  await assert.rejects(balancer.http.send({ method: 'PATCH', path: '/x' }), { name: 'Unanswered', status: 502 });
});

test('a session renews its token before its end, once for all who ask', async () => {
  let now = 0;
  const { asked, http } = gateway(json(201, tokens(1)), json(200, tokens(2)));
  const session = new Session(http, undefined, () => now);
  const told = [];
  session.onTokens((kept) => told.push(kept?.accessToken));
  assert.deepEqual(await session.signIn({ email: 'a@b.c', password: 'p' }), { id: 'u' });
  assert.equal(await session.accessToken(), 'access-1');
  now = 569_999;
  assert.equal(await session.accessToken(), 'access-1');
  now = 570_000;
  assert.deepEqual(await Promise.all([session.accessToken(), session.accessToken()]), ['access-2', 'access-2']);
  assert.deepEqual(asked.map(({ url }) => url), ['http://g/api/sessions', 'http://g/api/sessions/refresh']);
  assert.deepEqual(asked[1].body, { refreshToken: 'refresh-1' });
  assert.deepEqual(told, ['access-1', 'access-2']);
});

test('without an answer the old token does as long as it is good, and the session stays', async () => {
  let now = 0;
  const { http } = gateway(json(201, tokens(1, 10)), away, away, json(200, tokens(2, 10)));
  const session = new Session(http, undefined, () => now);
  await session.signIn({ email: 'a@b.c', password: 'p' });
  now = 8_000;
  assert.equal(await session.accessToken(), 'access-1');
  now = 10_000;
  await assert.rejects(session.accessToken(), Unanswered);
  assert.equal(await session.accessToken(), 'access-2');
});

test('a no to the renewal is the end of the session', async () => {
  const { http } = gateway(no(401, 'TOKEN_INVALID'));
  const session = new Session(http, { accessToken: 'a', refreshToken: 'r', expiresAtMs: 0 });
  const told = [];
  session.onTokens((kept) => told.push(kept));
  await assert.rejects(session.accessToken(), { code: 'TOKEN_INVALID', status: 401 });
  assert.deepEqual([session.isOpen, told], [false, [undefined]]);
  assert.equal(await session.accessToken(), undefined);
});

test('who signs out while the tokens are renewed stays signed out', async () => {
  let answer;
  const { http } = gateway(() => new Promise((resolve) => (answer = resolve)), json(204));
  const session = new Session(http, { accessToken: 'a', refreshToken: 'r', expiresAtMs: 0 });
  const renewal = session.renew();
  await session.signOut();
  answer(json(200, tokens(2)));
  await renewal;
  assert.equal(session.isOpen, false);
});
