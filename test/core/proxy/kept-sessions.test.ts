/** When a client stops using the sessions that it has kept: a handshake would show what has become of the peer. */
import { describe, expect, test } from "bun:test";
import type { UpstreamTls } from "../../../core/config/tls.ts";
import { type KeptSessions, type TlsContext, type TlsInfo, tlsFailure } from "../../../core/io/tls.ts";
import { Handshake } from "../../../core/proxy/handshake.ts";
import type { Services } from "../../../core/proxy/services.ts";
import { TlsContexts } from "../../../core/proxy/tls-contexts.ts";
import { type ReadyTls, TlsSide } from "../../../core/proxy/tls-side.ts";
import { listenerScope } from "../../../core/telemetry/listener-stats.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import { tlsStats } from "../../../core/telemetry/tls-stats.ts";
import { TlsSecrets } from "../../../core/tls/tls-secrets.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { NOW, rootCa, workload } from "../../support/certificates.ts";
import { PARAMETERS, trusting } from "../../support/tls-config.ts";

const HOUR = 3_600_000;
const root = await rootCa();
const other = await rootCa("CN=other");
const server = await workload(root, undefined, { until: NOW + HOUR });
const renewed = await workload(root, undefined, { until: NOW + 3 * HOUR });
const stranger = await workload(other);

const scope = listenerScope(new StatsStore(), "x");
const counts = { scope, stats: tlsStats(scope) };

const config: UpstreamTls = {
  parameters: PARAMETERS,
  certificates: [],
  certificateSecrets: [],
  alpn: [],
  validation: trusting(root),
  validationSecret: "",
  sni: "",
  maxSessionKeys: 1,
};
const ALPN: readonly string[] = [];

/** A cluster's side, and what becomes of its sessions. */
class Client {
  forgotten = 0;
  private readonly clock = { now: 0, wall: NOW };
  private readonly services: Services;
  private side: TlsSide;

  constructor() {
    const forget = (sessions: KeptSessions) => {
      this.forgotten++;
      sessions.until = Number.POSITIVE_INFINITY;
    };
    const platform = {
      cryptography: hostCryptography,
      log() {},
      tlsContext(): TlsContext {
        const sessions: KeptSessions = { until: Number.POSITIVE_INFINITY, forget: () => forget(sessions) };
        return { fault: "", sessions };
      },
    };
    this.services = {
      platform,
      contexts: new TlsContexts(platform as never),
      secrets: new TlsSecrets(hostCryptography),
      clock: this.clock,
      timers: { arm() {}, release() {} },
      logConnection() {},
    } as never;
    this.side = new TlsSide(this.services, "cluster x", "1", config, false);
  }

  /** It gets another version, of which the TLS is the same. */
  change(version: string): void {
    const old = this.side;
    this.side = new TlsSide(this.services, "cluster x", version, config, false);
    old.release();
  }

  /** A handshake at `after` ms, null = the engine gives it up; whether the peer was let in. */
  meets(peer: { readonly der: Uint8Array } | null, resumed: boolean, after = 0): boolean {
    this.clock.wall = NOW + after;
    let trusted = false;
    const ready = this.side.ready(ALPN) as ReadyTls;
    const socket = { handler: null, secure() {}, reset() {} };
    const owner = { onTrusted: () => (trusted = true), onRefused() {} };
    const handshake = new Handshake(this.services, socket as never, ready, counts, owner);
    handshake.start();
    if (peer === null) handshake.onClose(tlsFailure("BAD_RECORD_MAC"));
    else
      handshake.onSecured({ version: "TLSv1.3", resumed, peerCertificates: [peer.der] } as never as TlsInfo);
    return trusted;
  }
}

describe("sessions that a client has kept", () => {
  test("are used as long as the peer's certificate is good, and then never again", () => {
    const client = new Client();
    expect(client.meets(server, false)).toBe(true);
    expect(client.meets(server, true, HOUR - 1000)).toBe(true);
    expect(client.forgotten).toBe(0);
    // Before it dials: the server has a new certificate, and the session would bring the old one.
    expect(client.meets(renewed, false, HOUR)).toBe(true);
    expect(client.forgotten).toBe(1);
    expect(client.meets(renewed, true, 2 * HOUR)).toBe(true);
    expect(client.forgotten).toBe(1);
    client.meets(renewed, false, 3 * HOUR);
    expect(client.forgotten).toBe(2);
  });

  test("are used no longer if the cluster changes meanwhile", () => {
    const client = new Client();
    expect(client.meets(server, false)).toBe(true);
    client.change("2");
    expect(client.meets(server, true, HOUR - 1000)).toBe(true);
    expect(client.forgotten).toBe(0);
    client.change("3");
    expect(client.meets(renewed, false, HOUR)).toBe(true);
    expect(client.forgotten).toBe(1);
  });

  test("are given up with a handshake that ends with an alert", () => {
    const client = new Client();
    expect(client.meets(null, false)).toBe(false);
    expect(client.forgotten).toBe(1);
  });

  test("are given up with one that is refused; a handshake that is refused says nothing of them", () => {
    const client = new Client();
    expect(client.meets(stranger, false)).toBe(false);
    expect(client.forgotten).toBe(0);
    expect(client.meets(stranger, true)).toBe(false);
    expect(client.forgotten).toBe(1);
  });
});
