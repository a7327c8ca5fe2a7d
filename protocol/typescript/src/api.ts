// The HTTP side of a gateway, for one who has a token or signs in.

import type { UserView } from "../rest.js";
import { Http, type HttpOptions, type HttpReply, type HttpRequest } from "./http.js";
import type { Unsubscribe } from "./listeners.js";
import { Refused } from "./refused.js";
import { Session, type KeptTokens } from "./session.js";
import type { TokenSource } from "./token.js";
import { Users } from "./users.js";

export interface ApiOptions extends HttpOptions {
  /** A token from elsewhere, or how to get a fresh one. Whoever signs in goes by the session instead. */
  token?: TokenSource;
  /** Tokens of a session that was begun before, as `onTokens` told them. */
  tokens?: KeptTokens;
}

export class Api {
  readonly users: Users;
  private readonly http: Http;
  private readonly session: Session;
  private readonly source: TokenSource | undefined;

  /** `url` is the gateway's address, `http://127.0.0.1:8080` for instance. */
  constructor(url: string, options: ApiOptions = {}) {
    this.http = new Http(url, options);
    this.session = new Session(this.http, options.tokens);
    this.source = options.token;
    this.users = new Users((request) => this.send(request));
  }

  get isSignedIn(): boolean {
    return this.session.isOpen;
  }

  /** Begin a session; rejects with `Refused` (CREDENTIALS_WRONG, FORBIDDEN, TOO_FAST). */
  signIn(email: string, password: string): Promise<UserView> {
    return this.session.signIn({ email, password });
  }

  /** End it. The tokens are forgotten here whatever becomes of the request. */
  signOut(): Promise<void> {
    return this.session.signOut();
  }

  /** Hear of each new pair of tokens, to keep them somewhere, and of none when the session is over. */
  onTokens(listener: (tokens: KeptTokens | undefined) => void): Unsubscribe {
    return this.session.onTokens(listener);
  }

  /** A token that is good for a while yet, and not `spent`; for `connect` too. Rejects when there is none. */
  readonly token = async (spent?: string): Promise<string> => {
    if (spent !== undefined && this.session.isOpen && spent === (await this.find())) await this.session.renew();
    const token = await this.find();
    if (token === undefined) throw new Error("Nobody is signed in, and there is no token.");
    return token;
  };

  private async find(): Promise<string | undefined> {
    if (this.session.isOpen) return this.session.accessToken();
    return typeof this.source === "function" ? await this.source() : this.source;
  }

  private async send<Data>(request: HttpRequest): Promise<HttpReply<Data>> {
    try {
      return await this.http.send<Data>(request, await this.find());
    } catch (error) {
      // its end came sooner than this clock thought, or the role has changed
      if (!(error instanceof Refused) || error.code !== "TOKEN_EXPIRED") throw error;
      if (this.session.isOpen) await this.session.renew();
      else if (typeof this.source !== "function") throw error;
      return this.http.send<Data>(request, await this.find());
    }
  }
}
