// Where tokens come from.

/** A token, or how to get a fresh one: it is asked again for each connection, and before a token expires. */
export type TokenSource = string | (() => string | Promise<string>);
