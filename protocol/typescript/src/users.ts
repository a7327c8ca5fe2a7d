// Users over HTTP: one method for each thing that can be done with them.

import type { NewUser, OwnChanges, Pagination, UserChanges, UserListing, UserView } from "../rest.js";
import type { HttpReply, HttpRequest } from "./http.js";
import { newKey } from "./key.js";

/** Which users, in which order, and how many at a time. */
export type UserFilter = Omit<UserListing, "cursor" | "fields" | "page">;

export interface UserPage {
  readonly users: readonly UserView[];
  /** Of all pages. */
  readonly total: number;
  /** Where the next page begins; undefined on the last one. */
  readonly nextCursor: string | undefined;
}

export interface ChangeOptions {
  /** The version that is meant; another one is refused as PRECONDITION_FAILED. Any version unless given. */
  ifVersion?: number;
}

export interface CreateOptions {
  /** The same key and the same body make one user, however often they come; a new one unless given. */
  idempotencyKey?: string;
}

type Send = <Data>(request: HttpRequest) => Promise<HttpReply<Data>>;

export class Users {
  private readonly send: Send;

  /** Made by `new Api(url)`. */
  constructor(send: Send) {
    this.send = send;
  }

  /** One page. */
  async list(filter: UserFilter & { cursor?: string } = {}): Promise<UserPage> {
    const { data, meta } = await this.send<UserView[]>({ method: "GET", path: "/api/users", query: { ...filter }, mayRepeat: true });
    const { pagination, total } = meta as { pagination: Pagination; total: number };
    return { users: data, total, nextCursor: pagination.nextCursor ?? undefined };
  }

  /** Each user, page after page; users who come and go meanwhile shift nobody. */
  async *each(filter: UserFilter = {}): AsyncGenerator<UserView, void, undefined> {
    let page = await this.list(filter);
    yield* page.users;
    while (page.nextCursor !== undefined) {
      page = await this.list({ ...filter, cursor: page.nextCursor });
      yield* page.users;
    }
  }

  async get(id: string): Promise<UserView> {
    return (await this.send<UserView>({ method: "GET", path: pathOf(id), mayRepeat: true })).data;
  }

  /** Make a user, once. */
  async create(body: NewUser, { idempotencyKey = newKey() }: CreateOptions = {}): Promise<UserView> {
    const headers = { "Idempotency-Key": idempotencyKey };
    return (await this.send<UserView>({ method: "POST", path: "/api/users", body, headers, mayRepeat: true })).data;
  }

  async update(id: string, changes: UserChanges, options: ChangeOptions = {}): Promise<UserView> {
    return this.change(pathOf(id), changes, options);
  }

  async delete(id: string, options: ChangeOptions = {}): Promise<void> {
    await this.send({ method: "DELETE", path: pathOf(id), headers: matching(options) });
  }

  /** The user whose token this is. */
  async me(): Promise<UserView> {
    return (await this.send<UserView>({ method: "GET", path: "/api/users/me", mayRepeat: true })).data;
  }

  /** Another `email` takes `currentPassword`; who has none is refused as SIGN_IN_AGAIN unless they have just signed in. */
  async updateMe(changes: OwnChanges, options: ChangeOptions = {}): Promise<UserView> {
    return this.change("/api/users/me", changes, options);
  }

  /** Give a user a password; all sessions of the user end. */
  async setPassword(id: string, newPassword: string): Promise<void> {
    await this.send({ method: "PUT", path: `${pathOf(id)}/password`, body: { newPassword } });
  }

  /** Change one's own; one's other sessions end. Who has none yet, and has just signed in, gives `undefined` for it. */
  async changePassword(currentPassword: string | undefined, newPassword: string): Promise<void> {
    await this.send({ method: "PUT", path: "/api/users/me/password", body: { currentPassword, newPassword } });
  }

  private async change(path: string, body: UserChanges, options: ChangeOptions): Promise<UserView> {
    return (await this.send<UserView>({ method: "PATCH", path, body, headers: matching(options) })).data;
  }
}

function pathOf(id: string): string {
  return `/api/users/${encodeURIComponent(id)}`;
}

function matching({ ifVersion }: ChangeOptions): Record<string, string | undefined> {
  return { "If-Match": ifVersion === undefined ? undefined : `"${ifVersion}"` };
}
