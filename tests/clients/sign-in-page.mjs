// Somebody signs in with a browser: `node sign-in-page.mjs URL PROVIDER CHROMIUM`. The provider's pages are of
// another site. It prints what the page of the gateway's own origin got, once and once more, and what it could
// read of its cookies.

import { chromium } from 'playwright-core';

const [url, provider, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});
const page = await browser.newPage();
await page.goto(`${url}/api/sign-in/${provider}`);
const away = new URL(page.url()).hostname;
await page.fill('input[name=login]', 'ada');
await page.fill('input[name=password]', 'anything');
await page.click('button[type=submit]');
await page.waitForURL(/interaction/);
await page.click('button[type=submit]');
await page.waitForURL(`${url}/`);

const exchange = () =>
  page.evaluate(async () => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch('/api/sessions/exchange', { method: 'POST', headers, body: '{}' });
    return { status: answer.status, body: await answer.json() };
  });
const readable = await page.evaluate(() => document.cookie);
const first = await exchange();
const second = await exchange();
console.log(JSON.stringify({ away, readable, first, second }));
await browser.close();
