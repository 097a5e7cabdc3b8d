/**
 * A conformance vector: what one side sends, byte for byte, and the one outcome that a correct proxy has, however
 * the bytes are cut. `row` names a line of the catalogue (docs/conformance.md): L start lines and fields,
 * F framing, C chunked coding, H hop-by-hop, R target and host, E interim, expect, tunnels and early answers,
 * K persistence, T local replies, M limits.
 */
import type { ClientStep, OriginScript } from "../support/exchange.ts";

/** Null says: must not be there; a string or list: exactly these values; true: there, whatever it says. */
export type FieldsWanted = { readonly [name: string]: null | true | string | readonly string[] };

export interface AnswerWanted {
  readonly status: number | readonly number[];
  readonly body?: string;
  readonly fields?: FieldsWanted;
  readonly interim?: readonly number[];
  /** False: the client must be able to see that the answer was cut off. Default true. */
  readonly complete?: boolean;
}

export interface RequestWanted {
  readonly line?: string;
  readonly body?: string;
  readonly fields?: FieldsWanted;
  readonly trailers?: FieldsWanted;
}

export interface Expectation {
  /**
   * Final answers in order; a number is short for its status. "broken": either a 502 or an answer that the
   * client can see to be cut off (which of the two depends on what had already gone out). "none": closed
   * without an answer. "gone": closed, with at most a 400 or 408 (the request never came in whole).
   */
  readonly answers: readonly (number | readonly number[] | AnswerWanted)[] | "broken" | "none" | "gone";
  /** What becomes of the client's connection. "keep" is proven by another request on it. Default "any". */
  readonly client?: "close" | "keep" | "any";
  /** Complete requests that reach the origin: how many, or what each must look like. */
  readonly origin?: number | readonly RequestWanted[] | undefined;
  /** Whether the upstream connection may serve somebody else afterwards. True is what a good pool does. */
  readonly reuse?: boolean | undefined;
  /** Bytes that come through the tunnel to the origin. */
  readonly tunnel?: string;
  /** Bytes that must not occur anywhere in what reaches the origin. */
  readonly originLacks?: readonly string[];
  /** Bytes that must not occur anywhere in what reaches the client. */
  readonly clientLacks?: readonly string[];
  /** Bytes that must have reached the client. */
  readonly clientHas?: readonly string[];
  /** No byte behind the request may reach the origin before it answered. */
  readonly noEarlyBytes?: boolean;
}

export interface Vector {
  /** Unique: row and a word or two, e.g. "L1-two-spaces". */
  readonly id: string;
  readonly row: string;
  readonly title: string;
  /** Whose bytes are on trial. */
  readonly side: "request" | "response";
  /** Listener that it needs; default "main". */
  readonly profile?: string;
  readonly client: readonly ClientStep[];
  /** Methods of the client's requests where one of them is not GET, as far as the answer's framing depends on it. */
  readonly methods?: readonly string[];
  readonly origin?: readonly OriginScript[];
  /** What the origin says on its first connection before it was asked. */
  readonly greeting?: string;
  readonly expect: Expectation;
}

const HOST = "Host: v.test\r\n";

/** A request without body. */
export function get(fields = "", target = "/v"): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`;
}

/** A POST; `fields` must say how `body` is framed. */
export function post(fields: string, body: string, target = "/v"): string {
  return `POST ${target} HTTP/1.1\r\n${HOST}${fields}\r\n${body}`;
}

/** A chunked POST. */
export function chunked(body: string): string {
  return post("Transfer-Encoding: chunked\r\n", body);
}

export type Table = { readonly [word: string]: string };

/** Requests that must be refused: answered with `status`, connection closed, nothing complete upstream. */
export function refused(
  row: string,
  title: string,
  status: number | readonly number[],
  table: Table,
  profile = "main",
): Vector[] {
  return Object.entries(table).map(([word, bytes]) => ({
    id: `${row}-${word}`,
    row,
    title: `${title}: ${word}`,
    side: "request",
    profile,
    client: [bytes, { closed: true }],
    expect: { answers: [{ status }], client: "close", origin: 0 },
  }));
}

/** Responses that must be answered with 502 and cost the upstream connection. */
export function badResponse(
  row: string,
  title: string,
  table: Table,
  status: number | readonly number[] = 502,
): Vector[] {
  return Object.entries(table).map(([word, bytes]) => ({
    id: `${row}-response-${word}`,
    row,
    title: `${title}: ${word}`,
    side: "response",
    client: [get(), { answers: 1 }],
    origin: [bytes],
    expect: { answers: [{ status }], origin: 1, reuse: false, client: "keep" },
  }));
}

/** Responses whose body turns out bad: 502 if nothing went out yet, else visibly cut off; never reused. */
export function brokenResponse(row: string, title: string, table: Table): Vector[] {
  return Object.entries(table).map(([word, bytes]) => ({
    id: `${row}-response-${word}`,
    row,
    title: `${title}: ${word}`,
    side: "response",
    client: [get(), { answers: 1 }],
    origin: [bytes],
    expect: { answers: "broken", origin: 1, reuse: false },
  }));
}

/** A request that must go through; `seen` is what the origin must get. */
export function forwarded(
  row: string,
  word: string,
  title: string,
  bytes: string,
  seen: RequestWanted = {},
  more: Partial<Vector> = {},
): Vector {
  return {
    id: `${row}-${word}`,
    row,
    title,
    side: "request",
    client: [bytes, { answers: 1 }],
    expect: { answers: [200], client: "keep", origin: [seen], reuse: true },
    ...more,
  };
}

/** A response that must come through; `wanted` is what the client must get. */
export function relayed(
  row: string,
  word: string,
  title: string,
  bytes: string,
  wanted: AnswerWanted,
  more: Partial<Expectation> = {},
  request = get(),
): Vector {
  return {
    id: `${row}-response-${word}`,
    row,
    title,
    side: "response",
    client: [request, { answers: 1 }],
    methods: [request.slice(0, request.indexOf(" "))],
    origin: [bytes],
    expect: { answers: [wanted], client: "keep", origin: 1, reuse: true, ...more },
  };
}
