// The live map in a browser, told what to do by its test: `node map-page.mjs URL CHROMIUM OPTIONS`.
//
// A command is one JSON object a line on standard input, and each gets one answer on standard output: {"evaluate":
// text}, {"click": selector}, {"tap": [x, y]}, {"fill": selector, "text": text}, {"press": key}, {"place": {latitude,
// longitude}}, {"screenshot": path}, {"axe": true}, {"measure": seconds}. Whatever the page complains of, and every
// request that it makes, is printed as it happens. It ends with its standard input.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const axe = createRequire(import.meta.url)('axe-core');
const [url, executablePath, text] = process.argv.slice(2);
const { width = 1280, height = 800, dark = false, touch = false } = JSON.parse(text);
const report = (line) => console.log(JSON.stringify(line));

// WebGL in software, and nobody else to talk to.
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist',
    '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-dev-shm-usage',
  ],
});
const context = await browser.newContext({
  viewport: { width, height },
  colorScheme: dark ? 'dark' : 'light',
  hasTouch: touch,
  isMobile: touch,
  permissions: ['geolocation'],
});
const page = await context.newPage();
page.on('console', (message) => {
  if (['error', 'warning'].includes(message.type())) report({ complaint: message.text() });
});
page.on('pageerror', (error) => report({ complaint: error.message }));
page.on('request', (request) => report({ request: request.url() }));
page.on('websocket', (socket) => report({ request: socket.url() }));

async function done(command) {
  if (command.evaluate) return page.evaluate(command.evaluate);
  if (command.click) return page.click(command.click);
  if (command.tap) return touch ? page.touchscreen.tap(...command.tap) : page.mouse.click(...command.tap);
  if (command.fill) return page.fill(command.fill, command.text);
  if (command.press) return page.keyboard.press(command.press);
  if (command.place) return context.setGeolocation(command.place);
  if (command.screenshot) return void (await page.screenshot({ path: command.screenshot }));
  if (command.axe) return violations();
  if (command.measure) return measured(command.measure);
  throw new Error(`not a command: ${JSON.stringify(command)}`);
}

async function violations() {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate('axe.run()');
  return found.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ html }) => html.slice(0, 200)) }));
}

// Frames a second; which share of a processor the page's own thread takes; and how many ms of it one frame takes, in
// the median. The drawing is another process's: here a processor, elsewhere a graphics card.
async function measured(seconds) {
  const devtools = await context.newCDPSession(page);
  await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
  const busy = async () => {
    const { metrics } = await devtools.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  const before = await busy();
  const frames = await page.evaluate((ms) => new Promise((resolve) => {
    const frames = [];
    const original = globalThis.requestAnimationFrame;
    globalThis.requestAnimationFrame = (draw) => original((time) => {
      const start = performance.now();
      draw(time);
      frames.push(performance.now() - start);
    });
    setTimeout(() => { globalThis.requestAnimationFrame = original; resolve(frames); }, ms);
  }), seconds * 1000);
  const busyShare = ((await busy()) - before) / seconds;
  const frameMs = frames.sort((one, other) => one - other)[Math.floor(frames.length / 2)] ?? 0;
  return { framesPerSecond: frames.length / seconds, busyShare, frameMs };
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { number, ...command } = JSON.parse(line);
    try {
      report({ number, value: (await done(command)) ?? null });
    } catch (error) {
      report({ number, failure: error.message });
    }
  })
  .on('close', async () => {
    await browser.close();
    process.exit(0);
  });
await page.goto(url, { waitUntil: 'load' });
// not `waitForFunction`: it evaluates text in the page, which the page's policy forbids
while (!(await page.evaluate('globalThis.paceline !== undefined'))) await page.waitForTimeout(50);
report({ ready: true });
