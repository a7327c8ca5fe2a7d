// A question before something is done, and a word when it was.

import { part, say } from "../dom.js";

const TOAST_MS = 6_000;
let toasting: ReturnType<typeof setTimeout> | undefined;

/** Ask; true when the reader wants it done. */
export function asked(title: string, text: string, yes: string): Promise<boolean> {
  const dialog = part<HTMLDialogElement>("ask");
  say(part("ask-title"), title);
  say(part("ask-text"), text);
  say(part("ask-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export function tell(text: string): void {
  const toast = part("toast");
  clearTimeout(toasting);
  say(toast, text);
  toast.dataset["shown"] = "";
  toasting = setTimeout(() => delete toast.dataset["shown"], TOAST_MS);
}

/** Do something that may be refused; either way say so. */
export async function attempted(work: Promise<unknown>, done: string): Promise<void> {
  try {
    await work;
    tell(done);
  } catch (error) {
    tell(`Not done: ${error instanceof Error ? error.message : String(error)}`);
  }
}
