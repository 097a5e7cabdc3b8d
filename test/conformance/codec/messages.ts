/**
 * Generators of HTTP/1.1 messages as byte strings: valid ones from a small syntax tree, and hostile ones made from
 * them with the mutations that found real smuggling bugs (delete, replace, insert, duplicate, move a boundary).
 */
import fc from "fast-check";

export interface RequestTree {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  /** Lengths of the chunks; null = Content-Length, or nothing for an empty body. */
  readonly chunks: readonly number[] | null;
}

export interface ResponseTree {
  readonly status: number;
  readonly reason: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  readonly chunks: readonly number[] | null;
}

const TCHARS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PCHARS = "-._~!$&'()*+,;=:@0123456789ABCXYZabcxyz/";

const from = (alphabet: string, min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: min, maxLength: max });

/** Any byte, the usual ones more often. */
const valueByte = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...'abcXYZ019 ,;="/') },
  { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }).map((code) => String.fromCharCode(code)) },
  { weight: 1, arbitrary: fc.constant("\t") },
);
const value = fc
  .string({ unit: valueByte, maxLength: 20 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ""));

/** Names that frame nothing: framing and hop-by-hop fields are added by the tree or by mutations. */
const name = from(TCHARS.replace("_", ""), 1, 12).map((text) => `x-${text}`);
const fields = fc.array(fc.tuple(name, value), { maxLength: 5 });
const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const body = fc.oneof(
  { weight: 2, arbitrary: fc.constant("") },
  { weight: 3, arbitrary: fc.string({ unit: byte, minLength: 1, maxLength: 60 }) },
  { weight: 1, arbitrary: fc.constant("GET /smuggled HTTP/1.1\r\nHost: v.test\r\n\r\n") },
);
const chunks = fc.option(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 6 }), { nil: null });

export const requestTree: fc.Arbitrary<RequestTree> = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"),
  target: from(PCHARS, 0, 20).map((text) => `/${text.replace(/^\/+/, "")}`),
  host: fc.constantFrom("v.test", "v.test:8080", "127.0.0.1", "[::1]:80", "a-b.c.test"),
  fields,
  body,
  chunks,
});

export const responseTree: fc.Arbitrary<ResponseTree> = fc.record({
  status: fc.constantFrom(200, 201, 299, 404, 500, 503),
  reason: fc.constantFrom("OK", "", "Not Found", "\xe9t\xe9"),
  fields,
  body,
  chunks,
});

function framed(
  text: string,
  cuts: readonly number[] | null,
): { readonly fields: string; readonly body: string } {
  if (cuts === null) {
    return text === ""
      ? { fields: "", body: "" }
      : { fields: `Content-Length: ${text.length}\r\n`, body: text };
  }
  let rest = text;
  let out = "";
  for (const cut of cuts) {
    const piece = rest.slice(0, cut);
    if (piece === "") break;
    out += `${piece.length.toString(16)}\r\n${piece}\r\n`;
    rest = rest.slice(piece.length);
  }
  if (rest !== "") out += `${rest.length.toString(16)}\r\n${rest}\r\n`;
  return { fields: "Transfer-Encoding: chunked\r\n", body: `${out}0\r\n\r\n` };
}

export function writeRequest(tree: RequestTree): string {
  const { fields: framing, body: bytes } = framed(tree.body, tree.chunks);
  const lines = tree.fields.map(([n, v]) => `${n}: ${v}\r\n`).join("");
  return `${tree.method} ${tree.target} HTTP/1.1\r\nHost: ${tree.host}\r\n${lines}${framing}\r\n${bytes}`;
}

export function writeResponse(tree: ResponseTree): string {
  const { fields: framing, body: bytes } = framed(tree.body, tree.chunks);
  const lines = tree.fields.map(([n, v]) => `${n}: ${v}\r\n`).join("");
  const length = framing === "" ? "Content-Length: 0\r\n" : framing;
  return `HTTP/1.1 ${tree.status} ${tree.reason}\r\n${lines}${length}\r\n${bytes}`;
}

/** What mutations insert: the tokens that parsers disagree about. */
const DICTIONARY: readonly string[] = [
  "\r\n", "\r", "\n", "\r\n\r\n", "\n\n", "\r\r\n", "\0", ":", "\t", " ", ",", ";", '"', "\x0b", "\x0c", "\x85", "\xa0",
  "Content-Length: 5\r\n", "Content-Length: 0\r\n", "content-length : 5\r\n", "Content-Length: +5\r\n", "Content-Length: 0x5\r\n",
  "Transfer-Encoding: chunked\r\n", "Transfer-Encoding : chunked\r\n", "Transfer-Encoding: identity\r\n",
  "Transfer-Encoding:\x0bchunked\r\n", "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding:\r\n chunked\r\n",
  "Host: evil.test\r\n", "X-A : b\r\n", " X: folded\r\n", "Connection: close\r\n", "Connection: content-length\r\n", "Upgrade: websocket\r\n",
  "0\r\n\r\n", "5\r\n", "5;a=b\r\n", "0x5\r\n", "00000000000000005\r\n", "ffffffffffffffff\r\n", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0",
  "GET / HTTP/1.1\r\nHost: v.test\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "_", "%00", "#", "\\",
]; // biome-ignore format: one list

export interface Mutation {
  readonly kind: "delete" | "replace" | "insert" | "duplicate-line" | "swap-lines" | "cut" | "flip";
  /** 0 … 1: where. */
  readonly at: number;
  readonly length: number;
  readonly text: string;
}

export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Mutation["kind"]>(
      "delete", "replace", "insert", "insert", "insert", "duplicate-line", "swap-lines", "cut", "flip",
    ), // biome-ignore format: one list
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    length: fc.integer({ min: 1, max: 4 }),
    text: fc.oneof(fc.constantFrom(...DICTIONARY), byte),
  }),
  { minLength: 1, maxLength: 3 },
);

function lineAt(text: string, at: number): readonly [number, number] {
  const start = text.lastIndexOf("\n", Math.max(0, at - 1)) + 1;
  const end = text.indexOf("\n", at);
  return [start, end < 0 ? text.length : end + 1];
}

function mutateOnce(text: string, { kind, at, length, text: piece }: Mutation): string {
  const place = Math.floor(at * (text.length + 1));
  const before = text.slice(0, place);
  switch (kind) {
    case "delete":
      return before + text.slice(place + length);
    case "replace":
      return before + piece + text.slice(place + length);
    case "insert":
      return before + piece + text.slice(place);
    case "duplicate-line": {
      const [start, end] = lineAt(text, place);
      return text.slice(0, end) + text.slice(start, end) + text.slice(end);
    }
    case "swap-lines": {
      const [start, end] = lineAt(text, place);
      const [nextStart, nextEnd] = lineAt(text, end);
      return nextStart < end
        ? text
        : text.slice(0, start) +
            text.slice(nextStart, nextEnd) +
            text.slice(start, end) +
            text.slice(nextEnd);
    }
    case "cut":
      return before;
    case "flip":
      return place >= text.length
        ? text
        : before + String.fromCharCode(text.charCodeAt(place) ^ (1 << (length & 7))) + text.slice(place + 1);
  }
}

export function mutate(text: string, list: readonly Mutation[]): string {
  return list.reduce(mutateOnce, text);
}

/** A request stream that is valid or nearly so: one to three requests, possibly mutated. */
export const hostileRequests: fc.Arbitrary<string> = fc
  .tuple(fc.array(requestTree, { minLength: 1, maxLength: 3 }), mutations)
  .map(([trees, list]) => mutate(trees.map(writeRequest).join(""), list));

export const hostileResponse: fc.Arbitrary<string> = fc
  .tuple(responseTree, mutations)
  .map(([tree, list]) => mutate(writeResponse(tree), list));
