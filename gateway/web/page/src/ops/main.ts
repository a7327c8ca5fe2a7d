// The operations page: it is told how the gateway is, once a second, and shows it. This module connects the parts.

import type { Overview, WorkerLine } from "@paceline/client/reports";
import "../both.css";
import "./ops.css";
import { part, say } from "../dom.js";
import { ThemeSwitch } from "../theme.js";
import { asked, attempted } from "./dialogs.js";
import { faultsOf, lampsOf } from "./health.js";
import { History, KEPT_SECONDS, speaks } from "./history.js";
import { Bars, Faults, refusalBars, roomBars, showGoodbyes, showLamps } from "./lists.js";
import { countText, millisecondsText } from "./numbers.js";
import { Plot } from "./plot.js";
import { RoomDialog } from "./room.js";
import { Refusal, Wire } from "./wire.js";
import { Workers } from "./workers.js";

const HEIGHT = 150;

const history = new History();
const wire = new Wire({ told, changed, out });
const workers = new Workers((worker) => void drain(worker));
const faults = new Faults();
const room = new RoomDialog(wire);
const rooms = new Bars("rooms", (name) => room.open(name));
const refusals = new Bars("refusals");
let seconds = 300;
let roomOrder: "members" | "perSecond" = "members";

const plots = {
  connections: new Plot({ title: "Connections", lines: [{ label: "now", color: "--first" }], text: countText, height: HEIGHT }),
  publishes: new Plot({ title: "Publications a second", lines: [{ label: "accepted", color: "--first" }], text: countText, height: HEIGHT }),
  deliveries: new Plot({
    title: "Deliveries a second",
    lines: [{ label: "fast", color: "--first" }, { label: "slow", color: "--second", dash: [4, 3] }],
    text: countText,
    height: HEIGHT,
  }),
  latency: new Plot({
    title: "Publish to delivery",
    lines: [{ label: "p50", color: "--first" }, { label: "p99", color: "--second", dash: [4, 3] }],
    text: millisecondsText,
    height: HEIGHT,
  }),
  late: new Plot({ title: "Loops wake late, at most", lines: [{ label: "of all workers", color: "--first" }], text: millisecondsText, height: HEIGHT, atLeast: 10 }),
};
part("plots").append(...Object.values(plots).map(({ node }) => node));

new ThemeSwitch(part<HTMLButtonElement>("theme"), () => {
  for (const plot of Object.values(plots)) plot.repaint();
  workers.repaint();
});

// ---- what the gateway tells

function told(overview: Overview): void {
  part("door").hidden = true;
  part("board").hidden = false;
  history.add(overview);
  faults.show(faultsOf(overview), overview.atMs);
  show();
}

function show(): void {
  const overview = history.newest;
  if (!overview || document.hidden) return;
  showLamps(lampsOf(overview));
  const times = history.times(seconds);
  plots.connections.show(times, [history.total(seconds, (worker) => worker.connections)], seconds);
  plots.publishes.show(times, [history.total(seconds, (worker) => worker.publishesPerSecond)], seconds);
  plots.deliveries.show(
    times,
    [history.total(seconds, (worker) => worker.fastPerSecond), history.total(seconds, (worker) => worker.slowPerSecond)],
    seconds,
  );
  // shown once there is something to see: nobody reads an empty plot
  plots.latency.node.hidden = !history.row(KEPT_SECONDS, ({ latency }) => latency?.p50Ms ?? null).some((value) => value !== null);
  plots.latency.show(
    times,
    [history.row(seconds, ({ latency }) => latency?.p50Ms ?? null), history.row(seconds, ({ latency }) => latency?.p99Ms ?? null)],
    seconds,
  );
  plots.late.show(times, [history.row(seconds, (each) => Math.max(0, ...each.workers.filter(speaks).map(({ lagSeconds }) => lagSeconds * 1_000)))], seconds);
  workers.show(overview.workers, overview.toldBy, history, seconds);
  rooms.show(roomBars(overview.rooms, roomOrder));
  refusals.show(refusalBars(history.counted(seconds, (each) => ({ ...each.refusals, ...turnedAway(each) }))));
  showGoodbyes(overview.goodbyes);
}

function turnedAway(overview: Overview): Record<string, number> {
  return Object.fromEntries(Object.entries(overview.turnedAway).map(([reason, count]) => [`turned away: ${reason}`, count]));
}

function changed(isLive: boolean, text: string): void {
  part("connection").dataset["light"] = isLive ? "good" : "wait";
  part("sign-out").hidden = false;
  say(part("connection-text"), text);
}

function out(reason: string): void {
  history.clear();
  part("connection").dataset["light"] = "wait";
  part("sign-out").hidden = true;
  part("board").hidden = true;
  part("door").hidden = false;
  say(part("connection-text"), "Not signed in");
  say(part("door-text"), reason);
  void wire.isOpen().then((isOpen) => (part("development").hidden = !isOpen));
}

// ---- what the operator does

async function drain({ workerId, peers }: WorkerLine): Promise<void> {
  const text = `Its ${countText(peers)} peers are sent to other workers, a few at a time, and go on where they were. Under a supervisor a new worker takes its place; alone, the process ends.`;
  if (!(await asked(`Drain worker ${workerId}?`, text, "Drain"))) return;
  await attempted(wire.request("POST", `/api/workers/${encodeURIComponent(workerId)}/drain`), `Worker ${workerId} is draining.`);
}

function submitted(id: string, enter: (fields: FormData) => Promise<void> | void): void {
  part<HTMLFormElement>(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    say(part("door-text"), "");
    Promise.resolve(enter(new FormData(form))).then(
      () => form.reset(),
      (error: unknown) => say(part("door-text"), error instanceof Refusal ? error.message : "The gateway does not answer."),
    );
  });
}

submitted("sign-in", (fields) => wire.signIn(String(fields.get("email")), String(fields.get("password"))));
submitted("with-token", (fields) => wire.enter(String(fields.get("token")).trim()));
submitted("development", () => wire.signInForDevelopment());
part("sign-out").addEventListener("click", () => void wire.signOut());
part("range").addEventListener("change", (event) => {
  seconds = Number((event.target as HTMLInputElement).value);
  show();
});
part("rooms-order").addEventListener("change", (event) => {
  roomOrder = (event.target as HTMLInputElement).value as typeof roomOrder;
  show();
});
document.addEventListener("visibilitychange", show);

wire.begin();
// for the console: what the page was told last
Object.assign(globalThis, { paceline: { get overview() { return history.newest; } } });
