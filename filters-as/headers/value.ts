/**
 * Values of headers with formatters, as Envoy writes them: `%REQ(x-team?x-group):20%`, `%RESP(x)%`,
 * `%DOWNSTREAM_REMOTE_ADDRESS%` and the others in the tables below; `%%` is a percent sign. A formatter that has
 * nothing to say writes nothing; a value with formatters of which none says anything is no value at all.
 *
 * Bytes from headers are used as they are; bytes from elsewhere (SNI, certificates) that no field may hold count
 * as nothing.
 */
import { Bytes, getProperty, JsonNode, requestHeaders, responseHeaders, Slice, Writer } from "../sdk/sdk";
import { isName, isValue } from "./header-name";
import { Plan } from "./plan";
import { RequestNotes } from "./request-notes";

enum Source {
  Literal = 0,
  /** A header of the request, read from the map. */
  Request = 1,
  /** A header of the request, read from the notes. */
  Noted = 2,
  Response = 3,
  Property = 4,
}

enum Form {
  Text = 0,
  /** Eight bytes. */
  Integer = 1,
  /** "10.0.0.1:80" → "10.0.0.1", "[::1]:80" → "::1". */
  Address = 2,
}

/** Operators that are properties, by name. */
const OPERATORS: string[] = [
  "DOWNSTREAM_REMOTE_ADDRESS",
  "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
  "DOWNSTREAM_REMOTE_PORT",
  "DOWNSTREAM_LOCAL_ADDRESS",
  "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
  "DOWNSTREAM_LOCAL_PORT",
  "DOWNSTREAM_TLS_VERSION",
  "DOWNSTREAM_PEER_URI_SAN",
  "DOWNSTREAM_PEER_SUBJECT",
  "DOWNSTREAM_PEER_FINGERPRINT_256",
  "REQUESTED_SERVER_NAME",
  "CONNECTION_ID",
  "PROTOCOL",
  "ROUTE_NAME",
  "UPSTREAM_CLUSTER",
  "UPSTREAM_HOST",
];
const PATHS: string[][] = [
  ["source", "address"],
  ["source", "address"],
  ["source", "port"],
  ["destination", "address"],
  ["destination", "address"],
  ["destination", "port"],
  ["connection", "tls_version"],
  ["connection", "uri_san_peer_certificate"],
  ["connection", "subject_peer_certificate"],
  ["connection", "sha256_peer_certificate_digest"],
  ["connection", "requested_server_name"],
  ["connection", "id"],
  ["request", "protocol"],
  ["xds", "route_name"],
  ["xds", "cluster_name"],
  ["upstream", "address"],
];
const FORMS: Form[] = [
  Form.Text,
  Form.Address,
  Form.Integer,
  Form.Text,
  Form.Address,
  Form.Integer,
  Form.Text,
  Form.Text,
  Form.Text,
  Form.Text,
  Form.Text,
  Form.Integer,
  Form.Text,
  Form.Text,
  Form.Text,
  Form.Text,
];
/** Only a response has met an upstream: from here on, operators are for responses. */
const FIRST_OF_RESPONSES: i32 = 15;

@final
class Part {
  form: Form = Form.Text;
  /** The bytes, the name of the header or the path of the property. */
  bytes: Bytes = NO_BYTES;
  slot: i32 = -1;
  /** A header to be read if the first is absent. */
  alternative: Bytes | null = null;
  alternativeSlot: i32 = -1;
  /** Bytes beyond so many are cut off. */
  most: i32 = i32.MAX_VALUE;

  constructor(readonly source: Source) {}

  /** What this part says now; null for nothing. */
  read(notes: RequestNotes): Slice | null {
    let value = this.find(this.bytes, this.slot, notes);
    const alternative = this.alternative;
    if (value === null && alternative !== null) value = this.find(alternative, this.alternativeSlot, notes);
    if (value === null || value.length <= this.most) return value;
    return value.slice(0, this.most);
  }

  private find(name: Bytes, slot: i32, notes: RequestNotes): Slice | null {
    switch (this.source) {
      case Source.Literal:
        return name.view;
      case Source.Request:
        return requestHeaders.get(name.view);
      case Source.Noted:
        return notes.get(slot);
      case Source.Response:
        return responseHeaders.get(name.view);
      default:
        return readProperty(name.view, this.form);
    }
  }
}

const NO_BYTES: Bytes = Bytes.of("");

@final
export class Value {
  private constructor(
    private readonly parts: StaticArray<Part>,
    private readonly isLiteral: bool,
  ) {}

  /** The value for the message that `plan` is about; its faults are those of `node`. */
  static read(node: JsonNode, plan: Plan): Value {
    const text = node.asBytes().view;
    const parts: Part[] = [];
    if (!isValue(text)) node.fault("holds a control character");
    let start = 0;
    while (start < text.length) {
      const percent = text.indexOfByte(0x25, start);
      const end = percent < 0 ? text.length : percent;
      if (end > start) parts.push(literal(text.slice(start, end)));
      if (percent < 0) break;
      const close = closingPercent(text, percent + 1);
      if (close < 0) {
        node.fault('a "%" has no partner ("%%" is a percent sign)');
        break;
      }
      if (close === percent + 1) {
        parts.push(literal(text.slice(percent, close)));
      } else {
        const part = readFormatter(text.slice(percent + 1, close), node, plan);
        if (part !== null) parts.push(part);
      }
      start = close + 1;
    }
    let isLiteral = true;
    for (let i = 0; i < parts.length; i++) if (parts[i].source !== Source.Literal) isLiteral = false;
    return new Value(StaticArray.fromArray(parts), isLiteral);
  }

  /** The value now; null if it has formatters and none of them says anything. */
  format(notes: RequestNotes): Slice | null {
    const parts = this.parts;
    if (parts.length === 1) {
      const only = unchecked(parts[0]).read(notes);
      return only === null || (only.length === 0 && !this.isLiteral) ? null : only;
    }
    const writer = Writer.create();
    let says = this.isLiteral;
    for (let i = 0; i < parts.length; i++) {
      const part = unchecked(parts[i]);
      const bytes = part.read(notes);
      if (bytes === null || bytes.length === 0) continue;
      if (part.source !== Source.Literal) says = true;
      writer.write(bytes);
    }
    return says ? writer.bytes : null;
  }
}

function literal(bytes: Slice): Part {
  const part = new Part(Source.Literal);
  part.bytes = bytes.keep();
  return part;
}

/** Where the formatter that begins at `from` ends: the next percent sign outside of brackets; -1 if nowhere. */
function closingPercent(text: Slice, from: i32): i32 {
  let isInside = false;
  for (let i = from; i < text.length; i++) {
    const byte = text.at(i);
    if (byte === 0x28) isInside = true;
    else if (byte === 0x29) isInside = false;
    else if (byte === 0x25 && !isInside) return i;
  }
  return -1;
}

/** `NAME`, `NAME(x)`, `NAME(x?y):20`. */
function readFormatter(text: Slice, node: JsonNode, plan: Plan): Part | null {
  const open = text.indexOfByte(0x28);
  const close = text.lastIndexOfByte(0x29);
  const name = text.slice(0, open < 0 ? text.length : open).toString();
  if (name === "REQ" || name === "RESP") {
    if (open < 0 || close < open) {
      node.fault(`%${name}% must name a header: %${name}(x)%`);
      return null;
    }
    if (name === "RESP" && !plan.isResponse) {
      node.fault("a request has no %RESP(…)%");
      return null;
    }
    const source = name === "RESP" ? Source.Response : plan.isResponse ? Source.Noted : Source.Request;
    return readHeader(source, text.slice(open + 1, close), text.slice(close + 1), node, plan);
  }
  if (name === "RESPONSE_CODE" && plan.isResponse && open < 0) {
    const part = new Part(Source.Response);
    part.bytes = Bytes.of(":status");
    return part;
  }
  const at = OPERATORS.indexOf(name);
  if (at < 0 || open >= 0) {
    node.fault(`unknown formatter %${text.toString()}%`);
    return null;
  }
  if (at >= FIRST_OF_RESPONSES && !plan.isResponse) {
    node.fault(`%${name}% is known in a response only`);
    return null;
  }
  const part = new Part(Source.Property);
  part.bytes = Bytes.of(PATHS[at].join("\0"));
  part.form = FORMS[at];
  return part;
}

function readHeader(source: Source, names: Slice, rest: Slice, node: JsonNode, plan: Plan): Part {
  const part = new Part(source);
  const mark = names.indexOfByte(0x3f);
  const first = names.slice(0, mark < 0 ? names.length : mark).toLowerCase();
  part.bytes = first.keep();
  let isSound = isName(first);
  if (mark >= 0) {
    const second = names.slice(mark + 1).toLowerCase();
    part.alternative = second.keep();
    isSound = isSound && isName(second);
  }
  if (rest.length > 0) {
    const most = rest.at(0) === 0x3a ? rest.slice(1).toDecimal() : -1;
    isSound = isSound && most > 0 && most <= i32.MAX_VALUE;
    part.most = <i32>most;
  }
  if (!isSound) {
    node.fault(`a formatter must look like %REQ(x)%, %REQ(x?y)% or %REQ(x):20%`);
  } else if (source === Source.Noted) {
    part.slot = plan.note(part.bytes);
    const alternative = part.alternative;
    if (alternative !== null) part.alternativeSlot = plan.note(alternative);
  }
  return part;
}

function readProperty(path: Slice, form: Form): Slice | null {
  const value = getProperty(path);
  if (value === null) return null;
  if (form === Form.Integer) {
    return value.length === 8 ? Writer.create(20).writeInteger(load<i64>(value.ptr)).bytes : null;
  }
  if (!isValue(value)) return null;
  return form === Form.Address ? withoutPort(value) : value;
}

function withoutPort(address: Slice): Slice {
  const colon = address.lastIndexOfByte(0x3a);
  if (colon < 0) return address;
  if (address.at(0) !== 0x5b) return address.slice(0, colon);
  const bracket = address.indexOfByte(0x5d);
  return bracket < 0 ? address : address.slice(1, bracket);
}
