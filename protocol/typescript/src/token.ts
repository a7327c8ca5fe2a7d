// Where tokens come from.

/**
 * A token, or how to get a fresh one: it is asked again for each connection, and before a token expires. `spent` is the
 * token that has expired or is about to; to give the same once more is of no use.
 */
export type TokenSource = string | ((spent?: string) => string | Promise<string>);
