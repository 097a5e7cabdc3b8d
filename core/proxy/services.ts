/** What every part of one worker's engine shares. Made once by the worker; nothing here is global. */
import { Slab } from "../bytes/slab.ts";
import { HeadWriter } from "../http1/head-writer.ts";
import type { CopyCounter } from "../http1/message-parser.ts";
import { BodyEnd } from "../http2/body-end.ts";
import type { Platform } from "../io/platform.ts";
import { Roster } from "../io/roster.ts";
import { type Address, formatAddress } from "../io/socket.ts";
import { type Http1Stats, http1Stats } from "../telemetry/http-stats.ts";
import { clearWaiting, type Http2Stats, http2Stats } from "../telemetry/http2-stats.ts";
import { tulleStats } from "../telemetry/server-stats.ts";
import type { StatsStore } from "../telemetry/stats.ts";
import {
  type HttpInspectorStats,
  httpInspectorStats,
  type TlsInspectorStats,
  tlsInspectorStats,
} from "../telemetry/tls-stats.ts";
import type { Clock } from "../time/clock.ts";
import { HttpDate } from "../time/http-date.ts";
import { Timers } from "../time/timers.ts";
import { KnownIssuers } from "../tls/known-issuers.ts";
import { TlsSecrets } from "../tls/tls-secrets.ts";
import type { UpstreamBuffering } from "./connection-owner.ts";
import { TlsContexts } from "./tls-contexts.ts";

export class Services {
  readonly platform: Platform;
  readonly clock: Clock;
  readonly timers: Timers = new Timers();
  readonly stats: StatsStore;
  /** How many workers divide limits of the process between them. */
  readonly workers: number;
  readonly writer: HeadWriter = new HeadWriter();
  /** Where frames of HTTP/2 are written. */
  readonly slab: Slab = new Slab();
  /** The last piece of a body, while it is relayed. */
  readonly bodyEnd: BodyEnd = new BodyEnd();
  readonly date: HttpDate;
  /** Bytes copied inside the core, `tulle.copied_bytes`. */
  readonly copied: CopyCounter;
  /** Headers with underscores, `http1.*`. */
  readonly http1: Http1Stats;
  private http2Counts: Http2Stats | null = null;
  private tlsFound: TlsInspectorStats | null = null;
  private httpFound: HttpInspectorStats | null = null;
  /** What TLS comes to with the secrets that are there. */
  readonly secrets: TlsSecrets;
  /** The engine's contexts that are in use. */
  readonly contexts: TlsContexts;
  /** Connections to upstreams. */
  readonly buffering: Roster<UpstreamBuffering> = new Roster();
  /** Every answer says `connection: close`: the operator has failed the health check. */
  closing = false;
  /** Numbers connections, for logs. */
  nextConnectionId = 1;
  private readonly seed = new Uint32Array(4);

  constructor(platform: Platform, clock: Clock, stats: StatsStore, workers: number) {
    this.workers = workers;
    this.platform = platform;
    this.clock = clock;
    this.stats = stats;
    this.date = new HttpDate(clock);
    this.copied = tulleStats(stats);
    this.http1 = http1Stats(stats);
    const { issuerMemory } = platform;
    const issuers = issuerMemory === undefined ? null : new KnownIssuers(issuerMemory);
    this.secrets = new TlsSecrets(platform.cryptography, issuers);
    this.contexts = new TlsContexts(platform);
    platform.fillRandom(new Uint8Array(this.seed.buffer));
    this.seed[0] |= 1;
  }

  /** What clients' connections of HTTP/2 do (`http2.*`); there as soon as there was one. */
  get http2(): Http2Stats {
    this.http2Counts ??= http2Stats(this.stats);
    return this.http2Counts;
  }

  /** What waits for clients of HTTP/2 is about to be measured anew. */
  clearPending(): void {
    if (this.http2Counts !== null) clearWaiting(this.http2Counts);
  }

  /** What the tls_inspectors found (`tls_inspector.*`); there as soon as there is one. */
  get tlsInspector(): TlsInspectorStats {
    this.tlsFound ??= tlsInspectorStats(this.stats);
    return this.tlsFound;
  }

  /** What the http_inspectors found (`http_inspector.*`); there as soon as there is one. */
  get httpInspector(): HttpInspectorStats {
    this.httpFound ??= httpInspectorStats(this.stats);
    return this.httpFound;
  }

  /** Tells who looks closely what became of the connection to or from `remote`. */
  logConnection(remote: Address, what: string): void {
    const { platform } = this;
    if (platform.logs?.("debug", "connection") === false) return;
    platform.log("debug", "connection", `${formatAddress(remote)}: ${what}`);
  }

  /** Uniform in [0, 2^32): xoshiro128** (for balancing and sampling, never for secrets). */
  random32(): number {
    const s = this.seed;
    const x = Math.imul(s[1], 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  readonly random = (): number => this.random32() / 4294967296;
}
