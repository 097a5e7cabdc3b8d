/** What TLS counts, under Envoy's names. */
import { expect, test } from "bun:test";
import { countFirstBytes, FirstBytes } from "../../../core/proxy/first-bytes.ts";
import { listenerScope } from "../../../core/telemetry/listener-stats.ts";
import { listStats } from "../../../core/telemetry/stat-list.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import {
  countHandshake,
  httpInspectorStats,
  tlsInspectorStats,
  tlsStats,
} from "../../../core/telemetry/tls-stats.ts";
import { countPeerFault, type PeerFault } from "../../../core/tls/peer-fault.ts";
import { HELLOS } from "../tls/hellos.ts";

const counted = (store: StatsStore) =>
  Object.fromEntries(
    listStats(store.export())
      .numbers.filter(({ value }) => value !== 0)
      .map(({ name, value }) => [name, value]),
  );

test("handshakes and refused peers, of a listener", () => {
  const store = new StatsStore();
  const scope = listenerScope(store, "0.0.0.0:443");
  const stats = tlsStats(scope);
  countHandshake(scope, stats, "TLSv1.3", "TLS_AES_128_GCM_SHA256", false);
  countHandshake(scope, stats, "TLSv1.3", "TLS_AES_128_GCM_SHA256", true);
  const faults: PeerFault[] = ["no_certificate", "expired", "revoked", "name_mismatch", "hash_mismatch"];
  for (const fault of faults) countPeerFault(stats, fault);
  expect(counted(store)).toEqual({
    "listener.0.0.0.0_443.ssl.handshake": 2,
    "listener.0.0.0.0_443.ssl.session_reused": 1,
    "listener.0.0.0.0_443.ssl.versions.TLSv1.3": 2,
    "listener.0.0.0.0_443.ssl.ciphers.TLS_AES_128_GCM_SHA256": 2,
    "listener.0.0.0.0_443.ssl.fail_verify_no_cert": 1,
    "listener.0.0.0.0_443.ssl.fail_verify_error": 2,
    "listener.0.0.0.0_443.ssl.fail_verify_san": 1,
    "listener.0.0.0.0_443.ssl.fail_verify_cert_hash": 1,
  });
});

test("what the first bytes were", () => {
  const store = new StatsStore();
  const filters = { tlsInspector: true, httpInspector: true, timeout: 0, continueOnTimeout: false };
  const huge = Buffer.from("160301000401ffffff", "hex");
  const texts = ["GET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "PRI * HTTP/2.0\r\n", "EHLO a\r\n"].map((text) =>
    Buffer.from(text),
  );
  for (const bytes of [...HELLOS.map(({ hex }) => Buffer.from(hex, "hex")), ...texts, huge]) {
    const first = new FirstBytes(filters);
    first.feed(bytes);
    countFirstBytes(first, filters, tlsInspectorStats(store), httpInspectorStats(store));
  }
  expect(counted(store)).toEqual({
    "tls_inspector.tls_found": 4,
    "tls_inspector.sni_found": 3,
    "tls_inspector.sni_not_found": 1,
    "tls_inspector.alpn_found": 3,
    "tls_inspector.alpn_not_found": 1,
    "tls_inspector.tls_not_found": 4,
    "tls_inspector.client_hello_too_large": 1,
    "http_inspector.http11_found": 1,
    "http_inspector.http10_found": 1,
    "http_inspector.http2_found": 1,
    "http_inspector.http_not_found": 1,
  });
});
