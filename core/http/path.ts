/**
 * The one normalisation of a request path (rows R4, R5; invariant 9). It runs once, before routing and
 * authorisation, and its result is what goes upstream: nobody after it decodes, merges or resolves anything.
 *
 * `normalizePath` does what Envoy does: resolves dot segments, decodes percent-encoded unreserved bytes (only
 * those: never a separator, never twice) and encodes the visible bytes that RFC 3986 does not allow in a path.
 *
 * Refused in every mode, because peers read it differently: a path that does not begin with "/", raw controls,
 * space, "#", anything above 0x7E, and in the path "\\". Refused as soon as any mode is on: a "%" without two
 * hexadecimal digits, %00, %0D and %0A in the path; with `normalizePath` also a dot segment that carries path
 * parameters ("/..;a=b/": servlet containers resolve it, RFC 3986 does not; CVE-2026-73511). The query is never
 * changed; of it only raw bytes are checked, for "?discount=100%" is common and nobody routes by it.
 *
 * Order of the steps, as in Envoy: escaped slashes, dot segments, repeated slashes.
 */
import { HEX } from "../bytes/ascii.ts";

/** The path may go on; it is in `PathPolicy.path`. */
export const PathAccepted = 0;
/** Answer 400. */
export const PathRejected = 1;
/** Answer 307 with `PathPolicy.path` as the location. */
export const PathRedirected = 2;
export type PathAction = typeof PathAccepted | typeof PathRejected | typeof PathRedirected;

/** The fields of Envoy's HTTP connection manager that decide about paths. */
export interface PathOptions {
  /** Resolve dot segments (RFC 3986 5.2.4), decode unreserved bytes, encode forbidden ones. */
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction:
    | "KEEP_UNCHANGED"
    | "REJECT_REQUEST"
    | "UNESCAPE_AND_REDIRECT"
    | "UNESCAPE_AND_FORWARD";
}

/** Envoy's response code details for both kinds of refusal. */
export const PATH_DETAILS = "path_normalization_failed";

const PLAIN = 0;
const SLASH = 1;
const PERCENT = 2;
const QUERY = 3;
/** Visible, not allowed by RFC 3986, harmless: normalising encodes it. */
const LOOSE = 4;
const BACKSLASH = 5;
const BAD = 6;

const CLASS = new Uint8Array(256).fill(BAD);
for (let b = 0x21; b < 0x7f; b++) CLASS[b] = PLAIN;
for (const ch of '"<>^`{|}') CLASS[ch.charCodeAt(0)] = LOOSE;
CLASS[0x23] = BAD; // "#": a fragment never belongs into a request (CVE-2021-32779)
CLASS[0x5c] = BACKSLASH; // some peers read it as "/"
CLASS[0x2f] = SLASH;
CLASS[0x25] = PERCENT;
CLASS[0x3f] = QUERY;

/** RFC 3986 2.3: bytes that mean the same encoded and not. */
const UNRESERVED = new Uint8Array(256);
for (const ch of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
  UNRESERVED[ch.charCodeAt(0)] = 1;

/** One connection manager's rules for paths. Holds the last result, so that a check allocates nothing. */
export class PathPolicy {
  /** The path of the last `apply`: the same string if nothing had to change. */
  path = "";
  private readonly normalize: boolean;
  private readonly merge: boolean;
  private readonly escaped: PathOptions["pathWithEscapedSlashesAction"];
  /** True if any mode is on. */
  private readonly strict: boolean;

  constructor(options: PathOptions) {
    this.normalize = options.normalizePath;
    this.merge = options.mergeSlashes;
    this.escaped = options.pathWithEscapedSlashesAction;
    this.strict = this.normalize || this.merge || this.escaped !== "KEEP_UNCHANGED";
  }

  /** Checks and normalises an origin-form path with query (a byte string). */
  apply(path: string): PathAction {
    this.path = path;
    const length = path.length;
    if (length === 0 || path.charCodeAt(0) !== 0x2f) return PathRejected;
    let change = false;
    let i = 0;
    scan: for (; i < length; i++) {
      switch (CLASS[path.charCodeAt(i) & 0xff]) {
        case PLAIN:
          break;
        case SLASH: {
          const next = i + 1 < length ? path.charCodeAt(i + 1) : 0;
          if (next === 0x2f) change ||= this.merge;
          else if (next === 0x2e) change ||= this.normalize;
          break;
        }
        case PERCENT: {
          if (!this.strict) break;
          if (i + 2 >= length) return PathRejected;
          const high = HEX[path.charCodeAt(i + 1) & 0xff];
          const low = HEX[path.charCodeAt(i + 2) & 0xff];
          if (high === 255 || low === 255) return PathRejected;
          const byte = (high << 4) | low;
          if (byte === 0 || byte === 0x0d || byte === 0x0a) return PathRejected;
          if (byte >= 0xc0 && isOverlong(path, i, byte)) return PathRejected;
          if (byte === 0x2f || byte === 0x5c) {
            if (this.escaped === "REJECT_REQUEST") return PathRejected;
            change ||= this.escaped !== "KEEP_UNCHANGED";
          } else if (UNRESERVED[byte] === 1) change ||= this.normalize;
          i += 2;
          break;
        }
        case LOOSE:
          change ||= this.normalize;
          break;
        case QUERY:
          break scan;
        default:
          return PathRejected;
      }
    }
    const end = i;
    for (; i < length; i++) if (CLASS[path.charCodeAt(i) & 0xff] === BAD) return PathRejected;
    return change ? this.rewrite(path, end) : PathAccepted;
  }

  /** The slow path: `path[0, end)` was validated and has something that may have to change. */
  private rewrite(path: string, end: number): PathAction {
    let text = path.slice(0, end);
    let redirect = false;
    if (this.escaped !== "KEEP_UNCHANGED") {
      const before = text;
      text = text.replace(/%2[fF]|%5[cC]/g, "/");
      redirect = text !== before && this.escaped === "UNESCAPE_AND_REDIRECT";
    }
    if (this.normalize) {
      const resolved = resolveDots(text.replace(/%[0-9A-Fa-f]{2}|["<>^`{|}]/g, canonical));
      if (resolved === null) return PathRejected;
      text = resolved;
    }
    if (this.merge) text = text.replace(/\/\/+/g, "/");
    // "Location: //evil.example/" would lead to another host.
    if (redirect) text = text.replace(/^\/\/+/, "/");
    this.path = text + path.slice(end);
    return redirect ? PathRedirected : PathAccepted;
  }
}

/**
 * True if the triplet at `at` begins a UTF-8 sequence that no encoder writes (RFC 3629 3): some decoders read
 * %C0%AE as "." and %C0%AF as "/".
 */
function isOverlong(path: string, at: number, byte: number): boolean {
  if (byte === 0xc0 || byte === 0xc1 || byte > 0xf4) return true;
  if ((byte !== 0xe0 && byte !== 0xf0) || path.charCodeAt(at + 3) !== 0x25) return false;
  const next = (HEX[path.charCodeAt(at + 4) & 0xff] << 4) | HEX[path.charCodeAt(at + 5) & 0xff];
  return next >= 0x80 && next < (byte === 0xe0 ? 0xa0 : 0x90);
}

/** One triplet or one loose byte as it stands in a normalised path. */
function canonical(part: string): string {
  if (part.length === 1) return `%${part.charCodeAt(0).toString(16).toUpperCase()}`;
  const byte = (HEX[part.charCodeAt(1)] << 4) | HEX[part.charCodeAt(2)];
  return UNRESERVED[byte] === 1 ? String.fromCharCode(byte) : part;
}

/** RFC 3986 5.2.4, or null for a dot segment with path parameters. `text` begins with "/". */
function resolveDots(text: string): string | null {
  const out: string[] = [];
  const segments = text.split("/");
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i];
    const last = i === segments.length - 1;
    if (segment === ".." || segment === ".") {
      if (segment === "..") out.pop();
      if (last) out.push("");
    } else if (segment.startsWith(".;") || segment.startsWith("..;")) return null;
    else out.push(segment);
  }
  return `/${out.join("/")}`;
}
