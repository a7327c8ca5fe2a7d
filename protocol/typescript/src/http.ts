// Requests to the gateway's HTTP side: one envelope, one kind of no, and patience where a repetition does no harm.

import type { Failure } from "../events.js";
import { Refused } from "./refused.js";

export interface HttpRequest {
  method: "DELETE" | "GET" | "PATCH" | "POST" | "PUT";
  /** Below the gateway's address: `/api/users`. */
  path: string;
  /** Parameters of the URL; those that are null or undefined are left out. */
  query?: Readonly<Record<string, string | number | boolean | null | undefined>>;
  body?: unknown;
  headers?: Readonly<Record<string, string | undefined>>;
  /** Made again when no answer came, or one that says "not now": only where twice is the same as once. */
  mayRepeat?: boolean;
}

export interface HttpReply<Data> {
  data: Data;
  meta: Readonly<Record<string, unknown>>;
}

export interface HttpOptions {
  /** How long an answer may take, in ms; 10,000 unless given. */
  answerTimeoutMs?: number;
  /** How often a request that may be repeated is made in all; 4 unless given. */
  attempts?: number;
  /** What makes requests; the platform's own unless given. */
  fetch?: typeof fetch;
}

/** No answer came, or none of a gateway: whether the request was done is not known. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
  /** Of what answered in the gateway's place, a balancer for instance; undefined when nothing did. */
  readonly status: number | undefined;

  constructor(message: string, options: { cause?: unknown; status?: number } = {}) {
    super(message, options);
    this.status = options.status;
  }
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

export class Http {
  private readonly url: string;
  private readonly options: HttpOptions;

  constructor(url: string, options: HttpOptions) {
    this.url = url.replace(/\/+$/, "");
    this.options = options;
  }

  /** Rejects with `Refused` when the gateway says no, with `Unanswered` when it says nothing. */
  async send<Data>(request: HttpRequest, token?: string): Promise<HttpReply<Data>> {
    const attempts = request.mayRepeat ? (this.options.attempts ?? 4) : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.attempt<Data>(request, token);
      } catch (error) {
        const waitMs = waitAfter(error, attempt);
        if (waitMs === undefined || attempt >= attempts) throw error;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  private async attempt<Data>(request: HttpRequest, token: string | undefined): Promise<HttpReply<Data>> {
    const { method, path, query = {}, body, headers = {} } = request;
    const inUrl = new URLSearchParams(given(query));
    const inHead = new Headers(given(headers));
    if (token !== undefined) inHead.set("Authorization", `Bearer ${token}`);
    if (body !== undefined) inHead.set("Content-Type", "application/json");
    const address = `${this.url}${path}${inUrl.size > 0 ? `?${inUrl}` : ""}`;
    let response: Response;
    let text: string;
    try {
      response = await (this.options.fetch ?? fetch)(address, {
        method,
        headers: inHead,
        ...(body !== undefined && { body: JSON.stringify(body) }),
        redirect: "error", // it would carry the token to a place that nobody named
        credentials: "omit",
        signal: AbortSignal.timeout(this.options.answerTimeoutMs ?? 10_000),
      });
      text = await response.text();
    } catch (cause) {
      throw new Unanswered("The gateway did not answer.", { cause });
    }
    return replyOf<Data>(response, text);
  }
}

function given(fields: NonNullable<HttpRequest["query"]>): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]) => (value == null ? [] : [[name, String(value)]]));
}

function replyOf<Data>({ ok, status, headers }: Response, text: string): HttpReply<Data> {
  if (ok && text === "") return { data: undefined as Data, meta: {} };
  let said: { data?: Data; meta?: Record<string, unknown>; error?: Failure } | null;
  try {
    said = JSON.parse(text) as typeof said;
  } catch {
    said = null;
  }
  if (said?.error !== undefined) throw new Refused(said.error, status, retryAfterMsOf(headers));
  if (!ok || said?.data === undefined) throw new Unanswered(`No answer of a gateway: HTTP status ${status}.`, { status });
  return { data: said.data, meta: said.meta ?? {} };
}

function retryAfterMsOf(headers: Headers): number | undefined {
  const seconds = Number.parseFloat(headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds * 1_000 : undefined;
}

/** How long to wait before the same request may be made again; undefined when it would be refused again. */
function waitAfter(error: unknown, attempt: number): number | undefined {
  if (error instanceof Refused) return error.retryAfterMs === undefined ? undefined : Math.min(error.retryAfterMs, LONGEST_WAIT_MS);
  if (!(error instanceof Unanswered)) return undefined;
  return Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS) * (0.5 + Math.random() / 2);
}
