// An OpenID provider of the certified kind, with its own pages for development: any name signs in, with
// any password. Who is called "unverified" has an address that nobody has verified.
//
//   node openid-provider.mjs PORT '{"client_id": ..., "redirect_uris": [...], ...}'

import { Provider } from 'oidc-provider';

const [port, client] = process.argv.slice(2);
const issuer = `http://localhost:${port}`; // to browsers another site than 127.0.0.1

const provider = new Provider(issuer, {
  clients: [JSON.parse(client)],
  claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `${id} of the provider`,
      email: `${id}@example.org`,
      email_verified: id !== 'unverified',
      groups: [`the ${id}s`],
    }),
  }),
});

const server = provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
process.on('SIGTERM', () => server.close());
