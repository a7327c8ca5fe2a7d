// The four-line program in a browser: `node four-line-page.mjs URL TRANSPORTS ROOM CHROMIUM NAME...`.
//
// One page for each name, each in a context of its own, as if they were different people's browsers. Each page is
// of the gateway's own origin and loads the official client's build for browsers. It ends with its standard input.

import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ride } from './four-line-client.mjs';

const PAUSE_MS = 100;
const [url, transports, roomId, executablePath, ...names] = process.argv.slice(2);
// named as a file: the package exports this build to bundlers and script tags only
const clientForBrowsers = fileURLToPath(
  new URL('node_modules/socket.io-client/dist/socket.io.min.js', import.meta.url),
);
const report = (line) => console.log(JSON.stringify(line));

// Playwright gives every launch a fresh profile; the flags keep Chromium from talking to anybody else.
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});
process.stdin.resume().on('end', async () => {
  await browser.close();
  process.exit(0);
});
for (const name of names) {
  // the gateway's own pages may forbid foreign scripts, and this one is injected
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  page.on('pageerror', (error) => report({ name, error: error.message }));
  await page.exposeFunction('report', report);
  await page.goto(`${url}/healthz`);
  await page.addScriptTag({ path: clientForBrowsers });
  const started = [transports, name, roomId, PAUSE_MS].map((value) => JSON.stringify(value)).join(', ');
  await page.evaluate(`{ (${ride})(io, location.origin, ${started}, report); }`);
}
