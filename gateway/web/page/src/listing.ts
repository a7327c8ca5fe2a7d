// What is in view, as a list: for the keyboard, for screen readers, and for whoever looks for one bike.

import type { Identity } from "@paceline/client";
import { made, part, say } from "./dom.js";

export interface Row extends Identity {
  text: string;
  detail: string;
}

const ROWS_LIMIT = 40;

export class Listing {
  private readonly details = part<HTMLDetailsElement>("list");
  private readonly find = part<HTMLInputElement>("find");
  private readonly rows = part("rows");
  private readonly more = part("rows-more");
  private readonly onSelect: (identity: Identity) => void;

  constructor(onSelect: (identity: Identity) => void, onWanted: () => void) {
    this.onSelect = onSelect;
    this.details.addEventListener("toggle", onWanted);
    this.find.addEventListener("input", onWanted);
    document.querySelector(".skip")?.addEventListener("click", (event) => {
      event.preventDefault(); // what stands behind the # of the address is the room
      this.details.open = true;
      this.find.focus();
    });
    this.rows.addEventListener("click", (event) => {
      const button = (event.target as Element).closest("button");
      if (!button) return;
      const { kind, id } = button.dataset as { kind: Identity["kind"]; id: string };
      this.onSelect({ kind, id });
    });
  }

  get isOpen(): boolean {
    return this.details.open;
  }

  /** What is looked for; empty when nothing is. */
  get sought(): string {
    return this.find.value.trim().toLowerCase();
  }

  /** Rows keep their place in the document when their texts change, so that the focus stays where it was. */
  show(rows: Row[]): void {
    const shown = rows.slice(0, ROWS_LIMIT);
    while (this.rows.children.length > shown.length) this.rows.lastElementChild?.remove();
    shown.forEach((row, index) => {
      let item = this.rows.children[index];
      if (!item) {
        item = made("li", {}, made("button", { type: "button" }, made("span"), made("small")));
        this.rows.append(item);
      }
      const button = item.firstElementChild as HTMLButtonElement;
      button.dataset["kind"] = row.kind;
      button.dataset["id"] = row.id;
      say(button.children[0] as HTMLElement, row.text);
      say(button.children[1] as HTMLElement, row.detail);
    });
    const left = rows.length - shown.length;
    say(this.more, left > 0 ? `and ${left} more` : rows.length === 0 ? "Nothing here." : "");
  }
}
