/**
 * The lists of a rule's fields, from JSON into tests: what a value may look like depends on its field. All that is
 * wrong is noted at the value's own path.
 */

import { JsonKind, JsonNode } from "../sdk/json-node";
import { Bytes, lower } from "../sdk/slice";
import { Block, parseBlock, parseDecimal } from "./ip-block";
import { compileTemplate, isTemplate, templateFault } from "./path-template";
import { compilePattern, hasTwinStars, Pattern, patternAt, TEMPLATE, takePatterns } from "./pattern";
import { Region } from "./region";
import { BLOCKS, CLAIMS, HEADERS, IDENTITIES, PORTS, REQUEST_PRINCIPALS, TEXTS } from "./rule";
import { hasScheme, SCHEME_LENGTH } from "./spiffe-id";

/** How the values of a field are written. */
export enum Form {
  Text,
  Header,
  Claim,
  /** Element of a list in metadata, perhaps in brackets. */
  Metadata,
  Identity,
  ServiceAccount,
  Host,
  Path,
  RequestPrincipal,
  Block,
  Port,
}

const STAR: u8 = 0x2a;
const SLASH: u8 = 0x2f;
const PRESENT_TEXT: usize = memory.data<u8>([STAR]);

/** What `Test.kind` the form makes. */
export function kindOf(form: Form): u32 {
  switch (form) {
    case Form.Header:
      return HEADERS;
    case Form.Claim:
    case Form.Metadata:
      return CLAIMS;
    case Form.Identity:
      return IDENTITIES;
    case Form.RequestPrincipal:
      return REQUEST_PRINCIPALS;
    case Form.Block:
      return BLOCKS;
    case Form.Port:
      return PORTS;
    default:
      return TEXTS;
  }
}

@final
export class ValueCompiler {
  /** The namespace of the policy that is read, for service accounts without one. */
  namespace: string = "";

  constructor(private readonly region: Region) {}

  /** Compiles a list that is not empty; returns its place. */
  compile(nodes: JsonNode[], form: Form): usize {
    const count = nodes.length;
    const list = this.take(count, form);
    for (let i = 0; i < count; i++) {
      const node = nodes[i];
      if (form === Form.Port) store<u32>(list + 4 * <usize>i, readPort(node));
      else {
        const text = node.asBytes();
        if (!node.isString) continue;
        if (text.length === 0) node.fault("must not be empty");
        else if (form === Form.Block) this.block(node, text, list + <usize>i * offsetof<Block>());
        else if (form === Form.RequestPrincipal) this.requestPrincipal(node, text, patternAt(list, 2 * i));
        else this.text(node, text, patternAt(list, i), form);
      }
    }
    return list;
  }

  private take(count: i32, form: Form): usize {
    if (form === Form.Port) return this.region.take(4 * <usize>count);
    if (form === Form.Block) return this.region.take(<usize>count * offsetof<Block>());
    return takePatterns(this.region, form === Form.RequestPrincipal ? 2 * count : count);
  }

  private block(node: JsonNode, text: Bytes, into: usize): void {
    if (parseBlock(text.view.ptr, text.length, changetype<Block>(into))) return;
    node.fault('must be an IP address or a block of them such as "10.0.0.0/8"');
  }

  private text(node: JsonNode, text: Bytes, into: Pattern, form: Form): void {
    const given = text.view;
    let data = this.region.copy(given.ptr, given.length);
    let length: u32 = given.length;
    switch (form) {
      case Form.Path:
        if (this.path(node, data, length, into)) return;
        break;
      case Form.Host:
        for (let i: u32 = 0; i < length; i++) store<u8>(data + i, lower(load<u8>(data + i)));
        break;
      case Form.Metadata:
        // "[x]" asks for x in a list; both are tried anyway.
        if (length > 2 && load<u8>(data) === 0x5b && load<u8>(data + length - 1) === 0x5d) {
          data++;
          length -= 2;
        }
        break;
      case Form.Identity:
        if (hasScheme(data, length)) {
          node.fault('must be written without "spiffe://"');
          return;
        }
        if (length > 1 || load<u8>(data) !== STAR) {
          data = this.join("spiffe://", data, length);
          length += SCHEME_LENGTH;
        }
        break;
      case Form.ServiceAccount: {
        const slash = given.indexOfByte(SLASH);
        if (slash < 0 && this.namespace.length === 0) {
          node.fault('needs a namespace ("namespace/name"): its policy has none');
          return;
        }
        if (
          given.indexOfByte(STAR) >= 0 ||
          slash === 0 ||
          (slash > 0 && slash !== given.lastIndexOfByte(SLASH))
        ) {
          node.fault('must be "name" or "namespace/name"');
          return;
        }
        const account =
          slash < 0
            ? `${this.namespace}/sa/${text.toString()}`
            : `${given.slice(0, slash).toString()}/sa/${given.slice(slash + 1).toString()}`;
        data = this.region.text(account);
        length = String.UTF8.byteLength(account);
        break;
      }
      default:
    }
    this.pattern(node, data, length, into);
  }

  private pattern(node: JsonNode, data: usize, length: u32, into: Pattern): void {
    if (hasTwinStars(data, length)) node.fault("two stars side by side");
    else compilePattern(into, data, length);
  }

  /** True if the value was a template, or a fault. */
  private path(node: JsonNode, data: usize, length: u32, into: Pattern): bool {
    if (!isTemplate(data, length)) {
      for (let i: u32 = 0; i < length; i++) {
        const byte = load<u8>(data + i);
        if (byte !== 0x7b && byte !== 0x7d) continue;
        node.fault("only {*} and {**} may stand in braces");
        return true;
      }
      return false;
    }
    const fault = templateFault(data, length);
    if (fault.length > 0) node.fault(fault);
    else {
      into.kind = TEMPLATE;
      into.text = compileTemplate(this.region, data, length);
    }
    return true;
  }

  /** `issuer/subject`, parted at the last slash; either may be `*`, and a pattern without a slash is one of both. */
  private requestPrincipal(node: JsonNode, text: Bytes, into: Pattern): void {
    const given = text.view;
    const data = this.region.copy(given.ptr, given.length);
    const subject = patternAt(changetype<usize>(into), 1);
    const slash = given.lastIndexOfByte(SLASH);
    if (slash > 0 && slash < given.length - 1) {
      this.pattern(node, data, slash, into);
      this.pattern(node, data + slash + 1, given.length - slash - 1, subject);
      return;
    }
    const first = given.at(0) === STAR;
    if (slash >= 0 || (!first && given.at(given.length - 1) !== STAR)) {
      node.fault('must be "issuer/subject"');
      return;
    }
    compilePattern(into, PRESENT_TEXT, 1);
    compilePattern(subject, PRESENT_TEXT, 1);
    this.pattern(node, data, given.length, first ? subject : into);
  }

  private join(head: string, data: usize, length: u32): usize {
    const size: u32 = head.length;
    const joined = this.region.take(size + length);
    String.UTF8.encodeUnsafe(changetype<usize>(head), head.length, joined);
    memory.copy(joined + size, data, length);
    return joined;
  }
}

/** A port as a number, or as digits in quotes like Istio's. */
function readPort(node: JsonNode): u32 {
  if (node.kind === JsonKind.Number) return <u32>node.asInteger(0, 65535);
  const text = node.asBytes();
  if (!node.isString) return 0;
  const port = parseDecimal(text.view.ptr, text.length, 65535);
  if (port > 65535) node.fault("must be a port, from 0 to 65535");
  return port;
}
