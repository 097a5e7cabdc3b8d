/**
 * The keys of conditions (`when`): which fact they ask for and how their values are written. Headers, claims and
 * metadata get a fact of their own each, shared by all rules that name the same.
 */
import {
  ACCOUNT,
  Facts,
  ISSUER,
  LOCAL,
  NAMED,
  NAMESPACE,
  PEER,
  PORT,
  PRINCIPAL,
  REMOTE,
  SERVER_NAME,
  SUBJECT,
} from "./facts";
import { Region } from "./region";
import { Form } from "./values";

const HEADERS = "request.headers";
/** The property that holds the headers; its length is HEADERS_LENGTH of fact-source.ts. */
const REQUEST_HEADERS = "request\0headers\0";
const CLAIMS = "request.auth.claims";
const METADATA = "experimental.";

/** The facts of one configuration while it is read. */
@final
export class Conditions {
  /** Properties of the named facts, segments joined by NUL. */
  private readonly properties: string[] = [];
  /** What the last key that was understood asks for. */
  fact: u32 = 0;
  form: Form = Form.Text;

  /** `claims`: the property below which the claims of the token are. */
  constructor(private readonly claims: string) {}

  /** Understands a key; returns what is wrong with it, or "". */
  read(key: string): string {
    this.form = Form.Text;
    if (key === "source.ip") return this.is(PEER, Form.Block);
    if (key === "remote.ip") return this.is(REMOTE, Form.Block);
    if (key === "destination.ip") return this.is(LOCAL, Form.Block);
    if (key === "destination.port") return this.is(PORT, Form.Port);
    if (key === "source.principal") return this.is(PRINCIPAL, Form.Identity);
    if (key === "source.namespace") return this.is(NAMESPACE, Form.Text);
    if (key === "source.serviceAccount") return this.is(ACCOUNT, Form.ServiceAccount);
    if (key === "connection.sni") return this.is(SERVER_NAME, Form.Text);
    if (key === "request.auth.principal") return this.is(ISSUER, Form.RequestPrincipal);
    if (key === "request.auth.audiences") return this.is(this.named(`${this.claims}\0aud`), Form.Claim);
    if (key === "request.auth.presenter") return this.is(this.named(`${this.claims}\0azp`), Form.Claim);
    if (key.startsWith(HEADERS)) return this.header(key.substring(HEADERS.length));
    if (key.startsWith(CLAIMS)) return this.claim(key.substring(CLAIMS.length));
    if (key.startsWith(METADATA)) return this.metadata(key.substring(METADATA.length));
    return "is no key that is known here";
  }

  /** The table of facts of all keys that were read. */
  finish(region: Region): Facts {
    const count = this.properties.length;
    const facts = Facts.create(region, count);
    for (let i = 0; i < count; i++) setProperty(region, facts, NAMED + i, this.properties[i]);
    setProperty(region, facts, ISSUER, `${this.claims}\0iss`);
    setProperty(region, facts, SUBJECT, `${this.claims}\0sub`);
    return facts;
  }

  private is(fact: u32, form: Form): string {
    this.fact = fact;
    this.form = form;
    return "";
  }

  private named(property: string): u32 {
    let at = this.properties.indexOf(property);
    if (at < 0) at = this.properties.push(property) - 1;
    return NAMED + at;
  }

  private header(rest: string): string {
    const name = inBrackets(rest).toLowerCase();
    if (!isHeaderName(name)) return 'must be written "request.headers[name]"';
    return this.is(this.named(REQUEST_HEADERS + name), Form.Header);
  }

  /** `[a][b]`: a claim inside of a claim. */
  private claim(rest: string): string {
    if (!rest.startsWith("[") || !rest.endsWith("]")) return 'must be written "request.auth.claims[name]"';
    const names = rest.substring(1, rest.length - 1).split("][");
    for (let i = 0; i < names.length; i++) {
      if (!isName(names[i])) return 'must be written "request.auth.claims[name]"';
    }
    return this.is(this.named(`${this.claims}\0${names.join("\0")}`), Form.Claim);
  }

  private metadata(rest: string): string {
    const bracket = rest.indexOf("[");
    const filter = bracket < 1 ? "" : rest.substring(0, bracket);
    const name = bracket < 1 ? "" : inBrackets(rest.substring(bracket));
    if (!filter.startsWith("envoy.filters.") || !isName(filter) || !isName(name)) {
      return 'must be written "experimental.envoy.filters.x.y[name]"';
    }
    return this.is(this.named(`metadata\0filter_metadata\0${filter}\0${name}`), Form.Metadata);
  }
}

function setProperty(region: Region, facts: Facts, id: u32, path: string): void {
  const fact = facts.at(id);
  fact.isHeader = path.startsWith(REQUEST_HEADERS);
  fact.property = region.text(path);
  fact.propertyLength = String.UTF8.byteLength(path);
}

function inBrackets(text: string): string {
  return text.startsWith("[") && text.endsWith("]") ? text.substring(1, text.length - 1) : "";
}

/** No brackets and no control characters, of which NUL would part the path of a property. */
export function isName(name: string): bool {
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit < 0x20 || unit === 0x5b || unit === 0x5d) return false;
  }
  return name.length > 0;
}

/** A token of RFC 9110, perhaps after the colon of a pseudo-header. */
function isHeaderName(name: string): bool {
  const symbols = "!#$%&'*+-.^_`|~";
  const from = name.startsWith(":") ? 1 : 0;
  for (let i = from; i < name.length; i++) {
    const unit = <u32>name.charCodeAt(i);
    const isLetter = (unit | 0x20) - 0x61 < 26;
    if (!isLetter && unit - 0x30 > 9 && symbols.indexOf(name.charAt(i)) < 0) return false;
  }
  return name.length > from;
}
