/**
 * Whom a guest wants to call: a serialised `envoy.config.core.v3.GrpcService` whose target is Envoy's own client, or the
 * bare name of a cluster. As in Envoy the message's time-out is not looked at: the call has one of its own.
 *
 * Laws: the bytes are a guest's. What is not sound protobuf, or names no target, is a name. Fields that we do not know
 * are skipped.
 */

export interface GrpcService {
  readonly cluster: string;
  /** "" = the cluster's name. */
  readonly authority: string;
  /** Sent with each call: names and values. */
  readonly metadata: readonly (readonly [string, string])[];
  /** Bytes of a message of the answer; 0 = no limit of its own. */
  readonly maxMessage: number;
  /** It was a message, not a name. */
  readonly described: boolean;
}

/** It asks for the client that we do not have (`google_grpc`). */
export const OtherClient = "other client";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** Entries of metadata that are read. */
const MAX_METADATA = 1024;

type Fields = readonly (readonly [number: number, value: string | number])[];

/** A varint of `text` at `at`, and where it ends; null if it is none. Exact up to 53 bits. */
function varint(text: string, at: number): readonly [value: number, end: number] | null {
  let value = 0;
  for (let i = 0, unit = 1; i < 10 && at + i < text.length; i++, unit *= 128) {
    const byte = text.charCodeAt(at + i);
    value += (byte & 127) * unit;
    if (byte < 128) return [value, at + i + 1];
  }
  return null;
}

/** The fields of a message, a byte string: texts and numbers, others left out; null if it is none. */
function fieldsOf(message: string): Fields | null {
  const fields: (readonly [number, string | number])[] = [];
  let at = 0;
  while (at < message.length) {
    const tag = varint(message, at);
    if (tag === null || tag[0] < 8 || tag[0] > 0xffffffff) return null;
    const number = Math.floor(tag[0] / 8);
    const rest = varint(message, tag[1]);
    let end = tag[1];
    switch (tag[0] % 8) {
      case VARINT:
        if (rest === null) return null;
        end = rest[1];
        fields.push([number, rest[0]]);
        break;
      case BYTES:
        if (rest === null) return null;
        end = rest[1] + rest[0];
        if (end <= message.length) fields.push([number, message.slice(rest[1], end)]);
        break;
      case FIXED64:
        end += 8;
        break;
      case FIXED32:
        end += 4;
        break;
      default:
        return null;
    }
    if (end > message.length) return null;
    at = end;
  }
  return fields;
}

/** The last value of that field, a text. */
function textOf(fields: Fields, number: number): string {
  let found = "";
  for (const [at, value] of fields) if (at === number && typeof value === "string") found = value;
  return found;
}

function hasText(fields: Fields, number: number): boolean {
  return fields.some(([at, value]) => at === number && typeof value === "string");
}

/** What `text` (a byte string) stands for. */
export function readGrpcService(text: string): GrpcService | typeof OtherClient {
  const name: GrpcService = { cluster: text, authority: "", metadata: [], maxMessage: 0, described: false };
  const service = fieldsOf(text);
  if (service === null) return name;
  if (!hasText(service, 1)) return hasText(service, 2) ? OtherClient : name;
  const own = fieldsOf(textOf(service, 1));
  if (own === null) return name;
  const metadata: [string, string][] = [];
  for (const [at, value] of service) {
    if (at !== 5 || typeof value !== "string" || metadata.length >= MAX_METADATA) continue;
    const entry = fieldsOf(value);
    if (entry === null) return name;
    metadata.push([textOf(entry, 1), textOf(entry, 2) || textOf(entry, 3)]);
  }
  const most = fieldsOf(textOf(own, 4))?.find(([at]) => at === 1)?.[1];
  return {
    cluster: textOf(own, 1),
    authority: textOf(own, 2),
    metadata,
    maxMessage: typeof most === "number" ? most : 0,
    described: true,
  };
}
