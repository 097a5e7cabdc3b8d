/**
 * The head of a request in HTTP/2 (RFC 9113 8.3.1, 8.5; RFC 8441): a method, a target in parts, fields. What it becomes
 * is a head as the parser of HTTP/1 would have made it of the same request.
 *
 * Laws: one authority, whether it came as `:authority` or as `Host`; a path that is one in HTTP/1, too; a scheme of
 * HTTP. CONNECT has no other parts, unless it names a protocol and those were offered (`connectProtocol`).
 */
import { IS_TCHAR } from "../bytes/ascii.ts";
import { hostEnd, sameAuthority } from "../http/authority.ts";
import type { Fields } from "../http/fields.ts";
import { RequestHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import {
  DroppedField,
  judgeUnderscores,
  RefusedField,
  type UnderscoreAction,
  type UnderscoreCounter,
} from "../http/underscores.ts";
import { FieldSection, type SectionFault } from "./field-section.ts";
import type { Http2Limits } from "./limits.ts";

const HOST = known("host");
const MAX_METHOD = 32;
const MAX_PROTOCOL = 32;

/** In the place of a head while none is being read. */
const NO_HEAD = new RequestHead();

export class RequestSection extends FieldSection {
  /** The head that is being read. */
  private head: RequestHead = NO_HEAD;
  /** The protocol of an extended CONNECT, "" for any other request. */
  protocol = "";
  private scheme = "";
  private host = "";
  private readonly connectProtocol: boolean;
  private readonly maxPath: number;

  private readonly underscores: UnderscoreAction;
  private readonly counter: UnderscoreCounter;

  /** `connectProtocol`: we have offered SETTINGS_ENABLE_CONNECT_PROTOCOL. */
  constructor(
    limits: Http2Limits,
    connectProtocol: boolean,
    underscores: UnderscoreAction,
    counter: UnderscoreCounter,
  ) {
    super(limits);
    this.underscores = underscores;
    this.counter = counter;
    this.connectProtocol = connectProtocol;
    this.maxPath = limits.maxPathBytes;
  }

  protected get fields(): Fields {
    return this.head.fields;
  }

  /** Begins a head, and fills `head` with it. */
  begin(head: RequestHead): void {
    this.reset();
    head.clear();
    head.version = 20;
    this.head = head;
    this.protocol = "";
    this.scheme = "";
    this.host = "";
  }

  protected pseudo(name: string, value: string): SectionFault {
    const { head } = this;
    switch (name) {
      case ":method":
        if (head.method !== "") return "pseudo_header";
        head.method = value;
        return value.length <= MAX_METHOD && isToken(value) ? "" : "method";
      case ":path":
        if (head.path !== "") return "pseudo_header";
        if (value.length > this.maxPath) return "path_too_long";
        head.path = value;
        return value === "" ? "path" : "";
      case ":scheme":
        if (this.scheme !== "") return "pseudo_header";
        this.scheme = value;
        return value === "http" || value === "https" ? "" : "scheme";
      case ":authority":
        if (head.authority !== "") return "pseudo_header";
        head.authority = value;
        return hostEnd(value) < 0 ? "authority" : "";
      case ":protocol":
        if (!this.connectProtocol || this.protocol !== "") return "pseudo_header";
        this.protocol = value;
        return value.length <= MAX_PROTOCOL && isToken(value) ? "" : "protocol";
      default:
        return "pseudo_header";
    }
  }

  protected override regularField(id: number, name: string, value: string): SectionFault {
    if (id === 0 && name.includes("_")) {
      const verdict = judgeUnderscores(name, this.underscores, this.counter);
      if (verdict === RefusedField) return "underscore";
      if (verdict === DroppedField) return "";
    }
    if (id !== HOST) return super.regularField(id, name, value);
    if (this.host !== "" || hostEnd(value) < 0) return "host";
    this.host = value;
    return "";
  }

  /** The section is complete: what is wrong with it as a whole, or "". The head is its owner's alone again. */
  end(): SectionFault {
    if (this.fault === "") this.fault = this.judge();
    this.head = NO_HEAD;
    return this.fault;
  }

  private judge(): SectionFault {
    const { head, host, scheme } = this;
    if (head.method === "") return "missing_pseudo_header";
    if (host !== "") {
      if (head.authority === "") head.authority = host;
      else if (!sameAuthority(head.authority, host, scheme)) return "host";
    }
    if (head.method === "CONNECT" && this.protocol === "") {
      if (scheme !== "" || head.path !== "" || this.contentLength >= 0) return "pseudo_header";
      if (head.authority === "") return "missing_pseudo_header";
      // Where to connect to, port and all (8.5).
      return hostEnd(head.authority) === head.authority.length ? "authority" : "";
    }
    if (this.protocol !== "" && head.method !== "CONNECT") return "pseudo_header";
    if (scheme === "" || head.path === "") return "missing_pseudo_header";
    if (head.authority === "") return "missing_pseudo_header";
    // What HTTP/1 would have taken from the connection: the client's own word is checked, not believed.
    head.fields.addId(HOST, head.authority);
    return isTarget(head.path, head.method) ? "" : "path";
  }
}

function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff || IS_TCHAR[code] === 0) return false;
  }
  return text !== "";
}

/** Origin form: visible ASCII without "#"; or "*" for OPTIONS. */
function isTarget(path: string, method: string): boolean {
  if (path === "*") return method === "OPTIONS";
  if (path.charCodeAt(0) !== 0x2f) return false;
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code < 0x21 || code > 0x7e || code === 0x23) return false;
  }
  return true;
}
