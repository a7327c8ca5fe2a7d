// Keys that nobody else has: what is sent again under one is taken once.

/** 96 random bits; `crypto.randomUUID` is there in secure contexts only. */
export function newKey(): string {
  const words = crypto.getRandomValues(new Uint32Array(3));
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}
