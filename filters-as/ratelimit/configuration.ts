/**
 * Reads the configuration, whose form `ratelimit.schema.json` and docs/filters/ratelimit.md describe. All its faults
 * are collected, with their paths.
 */
import { JsonDocument, JsonKind, JsonNode, Slice, Writer } from "../sdk/sdk";
import { Entry } from "./entry";
import { findValue, isHeaderName, readEntry } from "./entry-configuration";
import { sipHash } from "./keyed-hash";
import { Share } from "./random";
import { CONNECTION, RequestValue } from "./request-value";
import { Rule } from "./rule";
import { Addition, Settings } from "./settings";
import { Space } from "./space";
import { costOf, LONGEST_SPAN } from "./token-bucket";

const MAX_DESCRIPTORS: i32 = 1000;
const MAX_ENTRIES: i32 = 10;
const MAX_ADDITIONS: i32 = 10;
const DEFAULT_KEYS: i64 = 65_536;
const MAX_BATCH: i64 = 1000;
const MAX_KEYS: i64 = 16_777_216;
const MAX_TOKENS: i64 = 4_294_967_295;
/** ms, the first as in Envoy. */
const SHORTEST_FILL: i64 = 50;
const LONGEST_FILL: i64 = LONGEST_SPAN / 1_000_000;

/** A rule, and what has to be known to place it. */
@final
class Draft {
  constructor(
    readonly rule: Rule,
    /** What its entries demand. */
    readonly demands: u64,
    /** As `Rule.place` wants it. */
    readonly capacity: u32,
    readonly table: u16,
  ) {}
}

@final
class Reader {
  readonly settings: Settings = new Settings();
  /** What requests are looked at for, each once. */
  readonly values: RequestValue[] = [];
  readonly drafts: Draft[] = [];
  perConnection: bool = false;
  keys: i64 = DEFAULT_KEYS;
  batch: i64 = 1;

  constructor(readonly document: JsonDocument) {}
}

/** Null if there are faults, which are in `document` then. `pluginName` is the domain if the document names none. */
export function readSettings(document: JsonDocument, pluginName: Slice): Settings | null {
  const root = document.root;
  if (root === null || !root.isObject) {
    if (root !== null) root.fault("must be an object");
    return null;
  }
  const reader = new Reader(document);
  readGeneral(root, reader.settings);
  reader.perConnection = root.getBool("local_rate_limit_per_downstream_connection");
  reader.keys = root.getInteger("max_keys", DEFAULT_KEYS, 1, MAX_KEYS);
  reader.batch = root.getInteger("batch_size", 1, 1, MAX_BATCH);

  const bucket = root.get("token_bucket");
  if (bucket !== null) readBucket(reader, bucket, [], 0, reader.keys);
  const list = root.get("descriptors");
  const descriptors: JsonNode[] = list === null ? [] : list.asArray();
  const isEmpty = list === null || (list.isArray && list.length === 0);
  if (bucket === null && isEmpty) root.fault("needs a token_bucket or descriptors");
  if (descriptors.length > MAX_DESCRIPTORS) root.fault(`has more than ${MAX_DESCRIPTORS} descriptors`);
  for (let i = 0; i < descriptors.length; i++) readDescriptor(reader, descriptors[i], <u16>(i + 1));
  const domain = root.getBytes("domain");
  if (!document.finish()) return null;
  return place(reader, domain === null ? pluginName : domain.view) ? reader.settings : null;
}

function readGeneral(root: JsonNode, settings: Settings): void {
  settings.statPrefix = root.getString("stat_prefix", settings.statPrefix);
  settings.enabled = readShare(root, "enabled");
  settings.enforced = readShare(root, "enforced");
  settings.status = <u32>root.getInteger("status", settings.status, 400, 599);
  if (root.getBool("rate_limited_as_resource_exhausted")) settings.grpcStatus = 8;
  settings.tellsLimits = root.getChoice("enable_x_ratelimit_headers", ["OFF", "DRAFT_VERSION_03"]) === 1;
  readAdditions(root, "response_headers_to_add", settings.responseHeaders);
  readAdditions(root, "request_headers_to_add_when_not_enforced", settings.requestHeaders);
  settings.limiter.failsClosed = root.getBool("failure_mode_deny");
  settings.limiter.countsEverybody = root.getBool("always_consume_default_token_bucket", true);
}

function readDescriptor(reader: Reader, node: JsonNode, table: u16): void {
  if (!node.isObject) {
    node.fault("must be an object");
    return;
  }
  const nodes = node.getArray("entries");
  if (nodes.length === 0 || nodes.length > MAX_ENTRIES) node.fault(`needs 1 to ${MAX_ENTRIES} entries`);
  const entries: Entry[] = [];
  for (let i = 0; i < nodes.length; i++) {
    const entry = readEntry(nodes[i], reader.values);
    if (entry !== null) entries.push(entry);
  }
  const keys = node.get("max_keys");
  const capacity = keys === null ? reader.keys : keys.asInteger(1, MAX_KEYS);
  const isWhole = entries.length === nodes.length;
  if (keys !== null && isWhole && !reader.perConnection && !isDistinct(entries)) {
    keys.fault("is of no use: no entry is distinct, so there is a single bucket");
  }
  const demands = hashOf(entries);
  for (let i = 0; i < reader.drafts.length; i++) {
    const other = reader.drafts[i];
    if (isWhole && entries.length > 0 && other.demands === demands) {
      node.fault(`has the same entries as descriptors[${other.table - 1}]`);
    }
  }
  const bucket = node.require("token_bucket");
  if (bucket !== null) readBucket(reader, bucket, entries, table, capacity);
}

/** Reads a token bucket and drafts its rule. */
function readBucket(reader: Reader, node: JsonNode, entries: Entry[], table: u16, keys: i64): void {
  if (!node.isObject) {
    node.fault("must be an object");
    return;
  }
  const most = node.require("max_tokens");
  const interval = node.require("fill_interval");
  const tokens = node.getInteger("tokens_per_fill", 1, 1, MAX_TOKENS);
  const maxTokens = most === null ? 1 : most.asInteger(1, MAX_TOKENS);
  const faults = reader.document.faults.length;
  const ms = interval === null ? SHORTEST_FILL : interval.asDuration();
  if (reader.document.faults.length !== faults) return;
  if (interval !== null && ms < SHORTEST_FILL) interval.fault("must be 0.05s or more");
  if (interval !== null && ms > LONGEST_FILL) interval.fault("must be ten years or less");
  if (ms < SHORTEST_FILL || ms > LONGEST_FILL) return;
  const ns = <u64>ms * 1_000_000;
  const cost = costOf(tokens, ns);
  if (<u64>tokens > ns) node.fault("gives more than one token per nanosecond");
  if (maxTokens > LONGEST_SPAN / cost) {
    node.fault("takes more than ten years to fill");
    return;
  }

  const rule = new Rule(maxTokens, cost, maxTokens * cost);
  const demands = hashOf(entries);
  if (reader.perConnection) {
    const connection = new Entry(findValue(reader.values, CONNECTION, ""));
    connection.distinct = true;
    entries.push(connection);
  }
  for (let i = 0; i < entries.length; i++) rule.entries.push(entries[i]);
  if (table === 0) reader.settings.limiter.everybody = rule;
  reader.drafts.push(new Draft(rule, demands, isDistinct(entries) ? <u32>keys : 0, table));
}

/** Gives every rule its part of the shared store. */
function place(reader: Reader, domain: Slice): bool {
  const space = Space.open(domain);
  if (space === null) {
    reader.document.fault("configuration", "the host keeps no shared data, or has no random numbers");
    return false;
  }
  for (let i = 0; i < reader.drafts.length; i++) {
    const draft = reader.drafts[i];
    const rule = draft.rule;
    const text = Writer.create();
    text.writeInteger(draft.demands).writeByte(0x2f).writeInteger(rule.maxTokens).writeByte(0x2f);
    text.writeInteger(rule.cost);
    const identity = sipHash(0, 0, text.bytes.ptr, text.length);
    rule.place(space, draft.table, draft.capacity, identity, reader.batch);
    if (draft.table !== 0) reader.settings.limiter.add(rule);
  }
  return true;
}

function isDistinct(entries: Entry[]): bool {
  for (let i = 0; i < entries.length; i++) if (entries[i].distinct) return true;
  return false;
}

/** Of what the entries demand. */
function hashOf(entries: Entry[]): u64 {
  const text = Writer.create();
  for (let i = 0; i < entries.length; i++) entries[i].describe(text);
  return sipHash(0, 0, text.bytes.ptr, text.length);
}

/** True, false or a percentage; everything if there is no such field. */
function readShare(root: JsonNode, name: string): Share {
  const node = root.get(name);
  if (node === null) return new Share(100);
  if (node.kind === JsonKind.Number) {
    const percent = node.asNumber();
    if (percent >= 0 && percent <= 100) return new Share(percent);
    node.fault("must be between 0 and 100");
    return new Share(0);
  }
  if (node.kind === JsonKind.Bool) return new Share(node.asBool() ? 100 : 0);
  node.fault("must be true, false or a percentage");
  return new Share(0);
}

/** An object of header names and values. */
function readAdditions(root: JsonNode, name: string, into: Addition[]): void {
  const node = root.getObject(name);
  if (node === null) return;
  if (node.length > MAX_ADDITIONS) node.fault(`has more than ${MAX_ADDITIONS} headers`);
  for (let i = 0; i < node.length; i++) {
    const child = node.at(i);
    const header = child.key!;
    const value = child.asBytes();
    if (!isHeaderName(header.view) || header.view.at(0) === 0x3a) child.fault("is no name of a header");
    if (!isHeaderValue(value.view)) child.fault("is no value of a header");
    into.push(new Addition(header, value));
  }
}

/** No control characters, no blanks at the ends (RFC 9110, 5.5). */
function isHeaderValue(value: Slice): bool {
  for (let i = 0; i < value.length; i++) {
    const byte = value.at(i);
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return false;
  }
  return value.trim().length === value.length;
}
