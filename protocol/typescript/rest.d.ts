// Generated from the classes in protocol/ by `python -m protocol.generate`. Do not edit.
//
// What goes over HTTP about users and sessions, inside of `{"data", "meta"?}`. Times are RFC 3339.

/** Which users a list shows, and how: the parameters of its URL. */
export interface UserListing {
  role?: "admin" | "operator" | "rider" | "viewer" | null;
  disabled?: boolean | null;
  email?: string | null;
  name?: string | null;
  sort?: "-createdAt" | "-email" | "-name" | "createdAt" | "email" | "name";
  limit?: number;
  cursor?: string | null;
  page?: number | null;
  fields?: string | null;
}

/** A user as answers show it. */
export interface UserView {
  id: string;
  email: string;
  name: string;
  age: number | null;
  role: "admin" | "operator" | "rider" | "viewer";
  disabled: boolean;
  createdAt: string;
  updatedAt: string;
  version: number;
}

/** Where a page stands among its like; `next_cursor` is null on the last one. */
export interface Pagination {
  limit: number;
  nextCursor?: string | null;
  page?: number;
  pages?: number;
}

/** What makes a user. */
export interface NewUser {
  email: string;
  name: string;
  age?: number | null;
  role?: "admin" | "operator" | "rider" | "viewer";
  disabled?: boolean;
}

/** Which fields of a user an answer has. */
export interface UserSelection {
  fields?: string | null;
}

/** What everybody may change of themselves: not what they may do here. */
export interface OwnChanges {
  email?: string;
  name?: string;
  age?: number | null;
  version?: number;
  currentPassword?: string;
}

/** What is to change of a user; `version` says of which one, and is checked when it is there. */
export interface UserChanges {
  email?: string;
  name?: string;
  age?: number | null;
  role?: "admin" | "operator" | "rider" | "viewer";
  disabled?: boolean;
  version?: number;
}

/** A new password, by somebody who knows the present one. */
export interface OwnPassword {
  newPassword: string;
  currentPassword?: string;
}

/** A new password, by an administrator. */
export interface GivenPassword {
  newPassword: string;
}

/** A session as answers show it; `is_current` is the one that asks. */
export interface SessionView {
  id: string;
  createdAt: string;
  usedAt: string;
  expiresAt: string;
  agent: string;
  address: string;
  isCurrent: boolean;
}

/** Who wants in. */
export interface SignIn {
  email: string;
  password: string;
}

/** What signing in, or refreshing, gives. */
export interface Tokens {
  accessToken: string;
  expiresInSeconds: number;
  refreshToken: string;
  session: SessionView;
  user: UserView;
}

/** The token that is exchanged for new ones; it is good once. */
export interface Refresh {
  refreshToken: string;
}
