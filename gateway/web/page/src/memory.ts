// What the browser keeps for the page. It may be told to keep nothing; then things are forgotten, and that is all.

/** What was kept under a name, or undefined. */
export function kept(storage: "localStorage" | "sessionStorage", name: string): string | undefined {
  try {
    return globalThis[storage].getItem(`paceline.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(storage: "localStorage" | "sessionStorage", name: string, value: string): void {
  try {
    globalThis[storage].setItem(`paceline.${name}`, value);
  } catch {
    // refused, or full
  }
}
