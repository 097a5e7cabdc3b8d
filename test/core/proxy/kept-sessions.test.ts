/** When a client stops using the sessions that it has kept: a handshake would show what has become of the peer. */
import { describe, expect, test } from "bun:test";
import { type TlsInfo, tlsFailure } from "../../../core/io/tls.ts";
import { Handshake } from "../../../core/proxy/handshake.ts";
import type { ReadyTls } from "../../../core/proxy/tls-side.ts";
import { listenerScope } from "../../../core/telemetry/listener-stats.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import { tlsStats } from "../../../core/telemetry/tls-stats.ts";
import { PeerJudge } from "../../../core/tls/peer-judge.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { NOW, rootCa, workload } from "../../support/certificates.ts";
import { trusting } from "../../support/tls-config.ts";

const HOUR = 3_600_000;
const root = await rootCa();
const other = await rootCa("CN=other");
const server = await workload(root, undefined, { until: NOW + HOUR });
const renewed = await workload(root, undefined, { until: NOW + 3 * HOUR });
const stranger = await workload(other);

const scope = listenerScope(new StatsStore(), "x");
const counts = { scope, stats: tlsStats(scope) };

/** A cluster's side, and what becomes of its sessions. */
class Client {
  forgotten = 0;
  private wall = NOW;
  private readonly material: ReadyTls = {
    context: { fault: "", forgetSessions: () => void this.forgotten++ },
    judge: new PeerJudge(trusting(root), "server", hostCryptography),
    mustShow: true,
    serverName: "",
    mustName: false,
    local: null,
    sessionsUntil: Number.POSITIVE_INFINITY,
  };

  /** A handshake at `after` ms, null = the engine gives it up; whether the peer was let in. */
  meets(peer: { readonly der: Uint8Array } | null, resumed: boolean, after = 0): boolean {
    this.wall = NOW + after;
    let trusted = false;
    const timers = { arm() {}, release() {} };
    const services = { timers, clock: { now: 0, wall: this.wall }, logConnection() {} };
    const socket = { handler: null, secure() {}, reset() {} };
    const owner = { onTrusted: () => (trusted = true), onRefused() {} };
    const handshake = new Handshake(services as never, socket as never, this.material, counts, owner);
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
