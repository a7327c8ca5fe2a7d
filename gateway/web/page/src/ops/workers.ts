// A card for each worker: what it is, how it is, three small plots, and a way to have it leave.

import type { WorkerLine } from "@paceline/client/reports";
import { made, part, say } from "../dom.js";
import { lightOf, STATE_WORDS } from "./health.js";
import { deliveriesOf, speaks, type History } from "./history.js";
import { bytesText, countText, durationText, millisecondsText, shareText } from "./numbers.js";
import { Plot, type PlotOptions } from "./plot.js";

const HEIGHT = 84;

interface Small extends PlotOptions {
  valueOf: (worker: WorkerLine) => number;
}

const SMALL: Small[] = [
  { title: "Loop busy", lines: [{ label: "share", color: "--first" }], text: shareText, height: HEIGHT, valueOf: ({ busyShare }) => busyShare },
  { title: "Connections", lines: [{ label: "now", color: "--first" }], text: countText, height: HEIGHT, valueOf: ({ connections }) => connections },
  { title: "Deliveries", lines: [{ label: "a second", color: "--first" }], text: countText, height: HEIGHT, valueOf: deliveriesOf },
];

const FACTS: [string, (worker: WorkerLine) => string][] = [
  ["Peers", (worker) => `${countText(worker.peers)}; ${countText(worker.fastPeers)} fast, ${countText(worker.slowPeers)} slow`],
  ["Rooms", (worker) => countText(worker.rooms)],
  ["Sent", (worker) => `${bytesText(worker.bytesPerSecond)} a second`],
  ["Woke late", (worker) => millisecondsText(worker.lagSeconds * 1_000)],
  ["Memory", (worker) => bytesText(worker.memoryBytes)],
  ["Running for", (worker) => durationText(Date.now() - worker.startedAtMs)],
];

export class Workers {
  private readonly cards = new Map<string, Card>();
  private readonly drain: (worker: WorkerLine) => void;

  constructor(drain: (worker: WorkerLine) => void) {
    this.drain = drain;
  }

  show(workers: WorkerLine[], toldBy: string, history: History, seconds: number): void {
    const present = new Set(workers.map(({ workerId }) => workerId));
    for (const [workerId, card] of this.cards) {
      if (!present.has(workerId)) {
        card.remove();
        this.cards.delete(workerId);
      }
    }
    for (const worker of workers) {
      let card = this.cards.get(worker.workerId);
      if (!card) {
        card = new Card(this.drain);
        this.cards.set(worker.workerId, card);
        part("workers").append(card.node);
      }
      card.show(worker, worker.workerId === toldBy, history, seconds);
    }
  }

  repaint(): void {
    for (const card of this.cards.values()) card.repaint();
  }
}

class Card {
  readonly node: HTMLElement;
  private readonly name = made("h3");
  private readonly state = made("p", { className: "state" });
  private readonly facts = FACTS.map(() => made("dd"));
  private readonly where = made("p", { className: "quiet" });
  private readonly plots = SMALL.map((options) => new Plot(options));
  private readonly button = made("button", { type: "button" });
  private worker: WorkerLine | undefined;

  constructor(drain: (worker: WorkerLine) => void) {
    const rows = FACTS.map(([name], index) => made("div", {}, made("dt", {}, name), this.facts[index] as HTMLElement));
    this.button.addEventListener("click", () => this.worker && drain(this.worker));
    this.node = made(
      "article",
      { className: "worker" },
      made("header", {}, this.name, this.state, this.button),
      this.where,
      made("dl", {}, ...rows),
      made("div", { className: "small" }, ...this.plots.map(({ node }) => node)),
    );
  }

  show(worker: WorkerLine, isTelling: boolean, history: History, seconds: number): void {
    this.worker = worker;
    this.node.dataset["worker"] = worker.workerId;
    this.node.dataset["light"] = lightOf(worker);
    const isSpeaking = speaks(worker);
    const silence = isSpeaking ? "" : `, last heard ${durationText(worker.heardMsAgo)} ago`;
    say(this.name, `Worker ${worker.workerId}`);
    say(this.state, `${STATE_WORDS[worker.state]}${silence}`);
    say(this.where, `slot ${worker.slot} on ${worker.host}, process ${worker.processId}, version ${worker.version}${isTelling ? "; tells this page" : ""}`);
    FACTS.forEach(([, textOf], index) => say(this.facts[index] as HTMLElement, isSpeaking ? textOf(worker) : "–"));
    say(this.button, "Drain");
    this.button.setAttribute("aria-label", `Drain worker ${worker.workerId}`);
    this.button.disabled = worker.state !== "accepting";
    const times = history.times(seconds);
    SMALL.forEach(({ valueOf }, index) => this.plots[index]?.show(times, [history.ofWorker(seconds, worker.workerId, valueOf)], seconds));
  }

  repaint(): void {
    for (const plot of this.plots) plot.repaint();
  }

  remove(): void {
    for (const plot of this.plots) plot.remove();
    this.node.remove();
  }
}
