/**
 * What a test does to a proxy from both sides, as data: the bytes and pauses of a client, the scripts of the
 * origin behind the proxy, and what was seen on both wires. It knows neither sockets nor the proxy; a `Target`
 * carries it out, over TCP or in the memory runtime.
 */
import type { WireRequest, WireResponse } from "./wire-reader.ts";

/** How sent bytes are cut: in one piece, byte by byte, or at random places from this seed. */
export type Chunking = "whole" | "bytes" | number;

/** Byte strings are sent; the rest waits or ends. Waits are bounded: an exchange always comes to its end. */
export type ClientStep =
  | string
  /** Until so many final responses have come in whole, or the connection ended. */
  | { readonly answers: number }
  /** Until an interim response with this status has come in. */
  | { readonly interim: number }
  /** Until these bytes have come in. */
  | { readonly bytes: string }
  /** Until the heads of so many requests have reached the origin. */
  | { readonly reached: number }
  /** Lets time pass, ms. */
  | { readonly elapse: number }
  /** Sends FIN and keeps reading. */
  | { readonly fin: true }
  | { readonly reset: true }
  /** Until the proxy has ended the connection. */
  | { readonly closed: true };

export type OriginStep =
  /** Until the head, or all of the current request has come in. */
  | { readonly until: "head" | "request" }
  /** Until these bytes have come in on the connection. */
  | { readonly bytes: string }
  | { readonly send: string }
  | { readonly elapse: number }
  /** From here on the connection carries no requests but raw bytes. */
  | { readonly tunnel: true }
  | { readonly fin: true }
  | { readonly close: true }
  | { readonly reset: true };

/** A string is short for: wait for the whole request, then send it. */
export type OriginScript = string | readonly OriginStep[];

export interface Exchange {
  /** Which of the target's listeners to use. */
  readonly profile: string;
  readonly chunking: Chunking;
  readonly client: readonly ClientStep[];
  /** Methods of the client's requests as far as they are not GET. */
  readonly methods: readonly string[];
  /** Scripts for the first, second, … request that reaches the origin; then `OK_SCRIPT`. */
  readonly origin: readonly OriginScript[];
  /** What the origin says on its first connection before it was asked anything. */
  readonly greeting?: string | undefined;
  /** Ask `AFTER` on the same connection at the end. */
  readonly followUp: boolean;
  /** Ask `VICTIM` on a connection of its own at the end. */
  readonly victim: boolean;
}

/** One connection that the proxy made to the origin. */
export interface OriginRecord {
  /** Everything that came in. */
  received: string;
  /** How the proxy ended it. */
  ended: "open" | "fin" | "reset";
  /** In order of arrival, the last one possibly incomplete; no follow-up, no victim. */
  requests: WireRequest[];
  /** Bytes of the tunnel. */
  tunnel: string;
  /** Bytes behind the request at the moment when its answer was sent. */
  early: string;
  /** A follow-up or a victim travelled here. */
  later: boolean;
}

export interface Outcome {
  readonly responses: readonly WireResponse[];
  /** Bytes that the client got behind the last readable response. */
  readonly rest: string;
  readonly received: string;
  readonly ended: "open" | "fin" | "reset";
  readonly connections: readonly OriginRecord[];
  /** Requests that reached the origin, over all connections, in order of arrival. */
  readonly requests: readonly WireRequest[];
  /** The answer to the follow-up, or null if none came. */
  readonly after: WireResponse | null;
  /** The answer to the victim, or null if none came. */
  readonly victim: WireResponse | null;
  /** Follow-up or victim travelled on an upstream connection that the exchange had used. */
  readonly reused: boolean;
}

/** Something that exchanges can be run against. One exchange at a time per lane. */
export interface Target {
  readonly name: string;
  /** How many exchanges may run side by side. */
  readonly lanes: number;
  has(profile: string): boolean;
  exchange(what: Exchange, lane: number): Promise<Outcome>;
  close(): Promise<void>;
}

export const AFTER = "/tulle-after";
export const VICTIM = "/tulle-victim";
export const OK_SCRIPT = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A small seeded generator (mulberry32), so that every failing split can be run again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Byte by byte is for messages up to this size; longer ones are cut into as many pieces at random places. */
const MOST_PIECES = 1500;

/** Cuts `text` as `chunking` says. */
export function cut(text: string, chunking: Chunking): string[] {
  if (text === "") return [];
  if (chunking === "whole") return [text];
  if (chunking === "bytes" && text.length <= MOST_PIECES) return [...text];
  const random = seeded(chunking === "bytes" ? text.length : chunking);
  const wanted = chunking === "bytes" ? 300 : 1 + Math.floor(random() * 7);
  const places = new Set<number>();
  for (let i = 0; i < wanted; i++) places.add(1 + Math.floor(random() * (text.length - 1)));
  const sorted = [...places].filter((place) => place < text.length).sort((a, b) => a - b);
  const pieces: string[] = [];
  let from = 0;
  for (const place of sorted) {
    pieces.push(text.slice(from, place));
    from = place;
  }
  pieces.push(text.slice(from));
  return pieces;
}
