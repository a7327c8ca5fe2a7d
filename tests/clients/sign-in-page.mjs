// Somebody signs in with a browser: `node sign-in-page.mjs URL PROVIDER CHROMIUM`. The provider's pages are of
// another site. It prints what the page of the gateway's own origin got, once and once more, what it could read
// of its cookies, and where somebody ends up who is refused.

import { chromium } from 'playwright-core';

const [url, provider, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
});

async function signIn(name) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${url}/api/sign-in/${provider}`);
  const away = new URL(page.url()).hostname;
  await page.fill('input[name=login]', name);
  await page.fill('input[name=password]', 'anything');
  await page.click('button[type=submit]');
  await page.waitForURL(/interaction/);
  await page.click('button[type=submit]');
  await page.waitForURL((at) => at.origin === url);
  return { page, away, back: page.url() };
}

const refused = (await signIn('unverified')).back;
const { page, away } = await signIn('ada');
const exchange = () =>
  page.evaluate(async () => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch('/api/sessions/exchange', { method: 'POST', headers, body: '{}' });
    return { status: answer.status, body: await answer.json() };
  });
const readable = await page.evaluate(() => document.cookie);
const first = await exchange();
const second = await exchange();
console.log(JSON.stringify({ away, refused, readable, first, second }));
await browser.close();
