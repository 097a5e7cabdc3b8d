/**
 * The listener filters on one connection: gathers its first bytes until it is known what they are, as far as the
 * listener wants to know. Then a filter chain can be chosen, and everything that was gathered is handed on. Knows
 * neither sockets nor timers: whoever holds it ends the wait after `ListenerFilters.timeout`, and takes it for what was
 * found so far, or closes.
 */
import type { ListenerFilters } from "../config/tls.ts";
import { type Inspection, NOT_INSPECTED } from "../route/filter-chain-match.ts";
import type { HttpInspectorStats, TlsInspectorStats } from "../telemetry/tls-stats.ts";
import { BadHello, ClientHello, ClientHelloWatch, NotTls } from "../tls/client-hello.ts";
import { HTTP_PROTOCOLS, HttpUndecided, HttpWatch } from "./http-watch.ts";

/** More bytes are needed. */
export const Waiting = 0;
/** `inspection` says what they are; `bytes` are to be handed on. */
export const Inspected = 1;
/** They begin like TLS and make no sense, or are too long (`fault`): the connection is to be closed. */
export const Refused = 2;
export type FirstBytesVerdict = typeof Waiting | typeof Inspected | typeof Refused;

export class FirstBytes {
  /** What was found so far; until there is a verdict: plain text of an unknown kind. */
  inspection: Inspection = NOT_INSPECTED;
  private hello: ClientHelloWatch | null;
  private http: HttpWatch | null = null;
  private readonly httpInspector: boolean;

  /** `filters`: one inspector at least, without which there is nothing to look for. */
  constructor(filters: ListenerFilters) {
    this.hello = filters.tlsInspector ? new ClientHelloWatch() : null;
    this.httpInspector = filters.httpInspector;
  }

  /** Everything that came. */
  get bytes(): Uint8Array {
    return this.http?.bytes ?? this.hello?.bytes ?? new Uint8Array(0);
  }

  /** Why it was refused, for logs. */
  get fault(): string {
    return this.hello?.fault ?? "";
  }

  /** Looks at the next chunk, which is kept. Not called any more after a verdict. */
  feed(chunk: Uint8Array): FirstBytesVerdict {
    const { hello } = this;
    if (hello === null) return this.feedHttp(chunk);
    switch (hello.feed(chunk)) {
      case ClientHello: {
        const { serverName, applicationProtocols } = hello;
        this.inspection = { transportProtocol: "tls", serverName, applicationProtocols };
        return Inspected;
      }
      case BadHello:
        return Refused;
      case NotTls: {
        if (!this.httpInspector) return Inspected;
        const seen = hello.bytes;
        this.hello = null;
        return this.feedHttp(seen);
      }
      default:
        return Waiting;
    }
  }

  private feedHttp(chunk: Uint8Array): FirstBytesVerdict {
    this.http ??= new HttpWatch();
    const verdict = this.http.feed(chunk);
    if (verdict === HttpUndecided) return Waiting;
    const protocol = HTTP_PROTOCOLS[verdict];
    if (protocol !== "") this.inspection = { ...NOT_INSPECTED, applicationProtocols: [protocol] };
    return Inspected;
  }
}

/** Counts what was found, once there is a verdict or the wait was ended. */
export function countFirstBytes(
  first: FirstBytes,
  filters: ListenerFilters,
  tls: TlsInspectorStats,
  http: HttpInspectorStats,
): void {
  const { transportProtocol, serverName, applicationProtocols } = first.inspection;
  if (filters.tlsInspector) {
    if (first.fault === "too large") tls.clientHelloTooLarge++;
    else if (transportProtocol === "tls") {
      tls.tlsFound++;
      if (serverName === "") tls.sniNotFound++;
      else tls.sniFound++;
      if (applicationProtocols.length === 0) tls.alpnNotFound++;
      else tls.alpnFound++;
    } else tls.tlsNotFound++;
  }
  if (!filters.httpInspector || transportProtocol === "tls" || first.fault !== "") return;
  if (applicationProtocols.length === 0) http.httpNotFound++;
  else if (applicationProtocols[0] === "h2c") http.http2Found++;
  else if (applicationProtocols[0] === "http/1.1") http.http11Found++;
  else http.http10Found++;
}
