/**
 * The heads of a message as the proxy works with them, the same for every HTTP version. Names that begin with
 * ":" (Envoy's and HTTP/2's pseudo headers) are answered from the start line.
 */
import { Fields } from "./fields.ts";

/** "HTTP/1.0" is 10, "HTTP/1.1" is 11, "HTTP/2" is 20. */
export type HttpVersion = 10 | 11 | 20;

/** Envoy's spelling for `%PROTOCOL%`. */
export function protocolName(version: HttpVersion): string {
  return version === 10 ? "HTTP/1.0" : version === 11 ? "HTTP/1.1" : "HTTP/2";
}

/** The start line and fields of a request. One object serves many: `clear()` starts the next. */
export class RequestHead {
  version: HttpVersion = 11;
  /** Case-sensitive token. */
  method = "";
  /** "http" or "https": from the connection, never from the client alone (row R6). */
  scheme = "http";
  /** Host and optional port, validated; "" only for HTTP/1.0 without Host. */
  authority = "";
  /** Origin-form path with query, or "*" for OPTIONS *, or "" for CONNECT. Normalised before routing. */
  path = "";
  readonly fields: Fields = new Fields();

  clear(): void {
    this.fields.clear();
    this.method = "";
    this.authority = "";
    this.path = "";
  }

  /** A field's joined value, or a pseudo header's; `name` in lower case. Null if there is none. */
  get(name: string): string | null {
    if (name.charCodeAt(0) !== 0x3a) return this.fields.get(name);
    switch (name) {
      case ":method":
        return this.method === "" ? null : this.method;
      case ":path":
        return this.path === "" ? null : this.path;
      case ":authority":
        return this.authority === "" ? null : this.authority;
      case ":scheme":
        return this.scheme;
      default:
        return null;
    }
  }
}

/** The status and fields of an answer. One object serves many: `clear()` starts the next. */
export class ResponseHead {
  version: HttpVersion = 11;
  status = 0;
  readonly fields: Fields;

  constructor(fields: Fields = new Fields()) {
    this.fields = fields;
  }

  clear(): void {
    this.fields.clear();
    this.status = 0;
  }

  /** The same head in an object of its own. */
  copy(): ResponseHead {
    const copy = new ResponseHead(this.fields.copy());
    copy.version = this.version;
    copy.status = this.status;
    return copy;
  }

  get(name: string): string | null {
    if (name.charCodeAt(0) !== 0x3a) return this.fields.get(name);
    return name === ":status" ? String(this.status) : null;
  }
}
