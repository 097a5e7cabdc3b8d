/**
 * A strict reader of HTTP/1.1 messages for tests: what a proxy put on either wire, as byte strings. It goes on
 * where a real peer would give up, and lists every defect, because a proxy must only ever emit clean messages.
 * It shares no code with the proxy's own codec: two readers that agree by construction would prove nothing.
 */

export interface WireMessage {
  /** Start line without its line end. */
  readonly line: string;
  /** Names in lower case; values without outer SP and HTAB. Order of the wire. */
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  readonly framing: "none" | "length" | "chunked" | "close" | "tunnel";
  /** The end that the framing announces was seen. */
  readonly complete: boolean;
  /** Everything that a strict peer would refuse. Empty for a clean message. */
  readonly defects: readonly string[];
  /** Offset behind the last byte that belongs to this message. */
  readonly end: number;
}

export interface WireRequest extends WireMessage {
  readonly method: string;
  readonly target: string;
}

export interface WireResponse extends WireMessage {
  readonly status: number;
  /** 1xx heads that came before this one. */
  readonly interim: readonly WireResponse[];
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A byte that no field or start line may hold: controls but HTAB. */
function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 9) || code === 0x7f) return true;
  }
  return false;
}

/** All values of a field, in order. */
export function valuesOf(message: WireMessage, name: string): string[] {
  return message.fields.filter(([n]) => n === name).map(([, value]) => value);
}

interface Head {
  readonly line: string;
  readonly fields: [string, string][];
  readonly defects: string[];
  readonly end: number;
}

function trimSpace(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

function readFields(lines: readonly string[], defects: string[]): [string, string][] {
  const fields: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (line.startsWith(" ") || line.startsWith("\t")) defects.push("folded line");
    else if (colon < 0 || !TOKEN.test(line.slice(0, colon))) defects.push(`bad field line ${quote(line)}`);
    else fields.push([line.slice(0, colon).toLowerCase(), trimSpace(line.slice(colon + 1))]);
    if (hasControl(line)) defects.push(`control byte in ${quote(line)}`);
  }
  return fields;
}

/** A short printable form for messages of failing tests. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 160 ? `${text.slice(0, 160)}…(${text.length})` : text);
}

function readHead(raw: string, at: number): Head | null {
  const pattern = /\r?\n\r?\n/g;
  pattern.lastIndex = at;
  const end = pattern.exec(raw);
  if (end === null) return null;
  const text = raw.slice(at, end.index);
  const defects: string[] = [];
  if (text.includes("\0")) defects.push("NUL in head");
  const lines = `${text}${end[0]}`.split("\r\n");
  if (lines.some((line) => line.includes("\n"))) defects.push("bare LF in head");
  if (lines.some((line) => line.includes("\r"))) defects.push("bare CR in head");
  const split = text.split(/\r?\n/);
  return {
    line: split[0],
    fields: readFields(split.slice(1), defects),
    defects,
    end: end.index + end[0].length,
  };
}

interface Body {
  readonly body: string;
  readonly trailers: [string, string][];
  readonly complete: boolean;
  readonly end: number;
}

function readChunks(raw: string, start: number, defects: string[]): Body {
  let at = start;
  let body = "";
  const broken = (): Body => ({ body, trailers: [], complete: false, end: raw.length });
  for (;;) {
    const lineEnd = raw.indexOf("\r\n", at);
    if (lineEnd < 0) return broken();
    const size = raw.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]{1,12}$/.test(size)) {
      defects.push(`chunk size line ${quote(size)}`);
      return broken();
    }
    const length = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (length === 0) break;
    body += raw.slice(at, at + length);
    if (raw.length < at + length + 2) return broken();
    at += length;
    if (!raw.startsWith("\r\n", at)) {
      defects.push("no CRLF behind chunk data");
      return broken();
    }
    at += 2;
  }
  if (raw.startsWith("\r\n", at)) return { body, trailers: [], complete: true, end: at + 2 };
  const end = raw.indexOf("\r\n\r\n", at);
  if (end < 0) return broken();
  const trailers = readFields(raw.slice(at, end).split("\r\n"), defects);
  return { body, trailers, complete: true, end: end + 4 };
}

function readFramed(raw: string, head: Head): (Body & { framing: "none" | "length" | "chunked" }) | null {
  const codings = head.fields.filter(([n]) => n === "transfer-encoding").map(([, v]) => v);
  const lengths = head.fields.filter(([n]) => n === "content-length").map(([, v]) => v);
  if (codings.length > 0 && lengths.length > 0) head.defects.push("Content-Length and Transfer-Encoding");
  if (lengths.length > 1) head.defects.push("several Content-Length");
  if (codings.length > 0) {
    if (codings.length > 1 || codings[0].toLowerCase() !== "chunked") {
      head.defects.push(`Transfer-Encoding ${quote(codings.join(" | "))}`);
    }
    return { framing: "chunked", ...readChunks(raw, head.end, head.defects) };
  }
  if (lengths.length > 0) {
    if (!/^[0-9]{1,15}$/.test(lengths[0])) head.defects.push(`Content-Length ${quote(lengths[0])}`);
    const length = Number(lengths[0]) || 0;
    const body = raw.slice(head.end, head.end + length);
    return {
      framing: "length",
      body,
      trailers: [],
      complete: body.length === length,
      end: head.end + body.length,
    };
  }
  return null;
}

/** The request that begins at `at`, or null while its head is not there yet. */
export function readRequest(raw: string, at: number): WireRequest | null {
  const head = readHead(raw, at);
  if (head === null) return null;
  const parts = /^([^ ]+) ([^ ]+) HTTP\/1\.[01]$/.exec(head.line);
  if (parts === null || !TOKEN.test(parts[1])) head.defects.push(`request line ${quote(head.line)}`);
  const hosts = head.fields.filter(([name]) => name === "host").length;
  if (hosts !== 1) head.defects.push(`${hosts} Host fields`);
  const body = readFramed(raw, head) ?? {
    framing: "none" as const,
    body: "",
    trailers: [],
    complete: true,
    end: head.end,
  };
  const words = head.line.split(" ");
  return {
    line: head.line,
    method: words[0],
    target: words[1] ?? "",
    fields: head.fields,
    defects: head.defects,
    ...body,
  };
}

/** Every request on an upstream connection; `rest` is what follows the last head that could be read. */
export function readRequests(raw: string): { readonly requests: WireRequest[]; readonly rest: string } {
  const requests: WireRequest[] = [];
  let at = 0;
  for (;;) {
    const request = readRequest(raw, at);
    if (request === null) return { requests, rest: raw.slice(at) };
    requests.push(request);
    at = request.end;
    if (!request.complete) return { requests, rest: "" };
  }
}

/** The response that begins at `at`; `ended` says that the peer sent FIN behind `raw`. */
export function readResponse(raw: string, at: number, method: string, ended: boolean): WireResponse | null {
  const interim: WireResponse[] = [];
  for (let from = at; ; ) {
    const head = readHead(raw, from);
    if (head === null) return null;
    const parts = /^HTTP\/1\.[01] ([0-9]{3}) .*$/.exec(head.line);
    if (parts === null || hasControl(head.line)) head.defects.push(`status line ${quote(head.line)}`);
    const status = parts === null ? 0 : Number(parts[1]);
    const base = { line: head.line, status, fields: head.fields, defects: head.defects };
    const bare = { body: "", trailers: [], complete: true, end: head.end, interim: [] };
    if (status >= 100 && status < 200 && status !== 101) {
      if (head.fields.some(([n]) => n === "content-length" || n === "transfer-encoding")) {
        head.defects.push("framing field in a 1xx");
      }
      interim.push({ ...base, ...bare, framing: "none" });
      from = head.end;
      continue;
    }
    if (status === 101 || (method === "CONNECT" && status >= 200 && status < 300)) {
      if (head.fields.some(([n]) => n === "content-length" || n === "transfer-encoding")) {
        head.defects.push("framing field in a tunnel answer");
      }
      return { ...base, ...bare, body: raw.slice(head.end), framing: "tunnel", end: raw.length, interim };
    }
    if (method === "HEAD" || status === 204 || status === 304) {
      if (status === 204 && head.fields.some(([n]) => n === "content-length" || n === "transfer-encoding")) {
        head.defects.push("framing field in a 204");
      }
      return { ...base, ...bare, framing: "none", interim };
    }
    const framed = readFramed(raw, head);
    if (framed !== null) return { ...base, ...framed, interim };
    const body = raw.slice(head.end);
    return { ...base, framing: "close", body, trailers: [], complete: ended, end: raw.length, interim };
  }
}

/** Every final response on a client connection, in order. `methods` are those of the requests, default GET. */
export function readResponses(
  raw: string,
  methods: readonly string[],
  ended: boolean,
): { readonly responses: WireResponse[]; readonly rest: string } {
  const responses: WireResponse[] = [];
  for (let at = 0; ; ) {
    const response = readResponse(raw, at, methods[responses.length] ?? "GET", ended);
    if (response === null) return { responses, rest: raw.slice(at) };
    responses.push(response);
    at = response.end;
    if (!response.complete || response.framing === "tunnel") return { responses, rest: "" };
  }
}
