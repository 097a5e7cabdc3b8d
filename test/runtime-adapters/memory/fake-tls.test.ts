/** TLS on the virtual network: what a story may ask of it, in virtual time. */
import { expect, test } from "bun:test";
import type { PlainSocket, SocketHandler } from "../../../core/io/socket.ts";
import type { TlsInfo } from "../../../core/io/tls.ts";
import { PLAIN_SAILING, type TlsScript } from "../../../runtime-adapters/memory/fake-tls.ts";
import { at, Network } from "../../../runtime-adapters/memory/network.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../../support/tls-fixture.ts";

const NOTHING: Uint8Array = new Uint8Array(0);
const ADDRESS = at("10.0.0.1:443");

class End implements SocketHandler {
  socket!: PlainSocket;
  info: TlsInfo | null = null;
  securedAt = -1;
  reason: string | null = null;
  first: Uint8Array = NOTHING;
  private readonly network: Network;
  private readonly begin: (chunk: Uint8Array) => void;

  constructor(network: Network, begin: (chunk: Uint8Array) => void = () => {}) {
    this.network = network;
    this.begin = begin;
  }
  onConnect(): void {}
  onSecured(info: TlsInfo): void {
    this.info = info;
    this.securedAt = this.network.now;
  }
  onData(chunk: Uint8Array): void {
    this.first = chunk;
    this.begin(chunk);
  }
  onEnd(): void {}
  onBlocked(): void {}
  onDrain(): void {}
  onClose(reason: string): void {
    this.reason = reason;
  }
}

/** One handshake by this script, on a line of 1 ms each way. */
function handshake(script: Partial<TlsScript>) {
  const network = new Network({ latency: 1 });
  network.tls = { ...PLAIN_SAILING, ...script };
  const near = network.createDriver();
  const far = network.createDriver();
  for (const driver of [near, far]) {
    driver.attach({ nextDeadline: () => Number.POSITIVE_INFINITY, expire() {} });
  }
  const context = far.platform.tlsContext({ ...SERVER_OPTIONS, alpn: ["h2"] });
  const server: End = new End(network, (chunk) => server.socket.secure(context, chunk, ""));
  far.listenNow(ADDRESS, undefined, (socket) => {
    server.socket = socket;
    return server;
  });
  const client = new End(network);
  near.run(() => {
    client.socket = near.platform.connect(ADDRESS, client);
    client.socket.secure(
      near.platform.tlsContext({ ...CLIENT_OPTIONS, alpn: ["h2", "http/1.1"] }),
      NOTHING,
      "a.example",
    );
  });
  network.advance(1000);
  return { client, server };
}

test("a server finds a true ClientHello in the first bytes", () => {
  const { server } = handshake({});
  expect([...server.first.subarray(0, 2)]).toEqual([22, 3]);
  expect(server.first[5]).toBe(1);
  expect(server.info).toMatchObject({
    serverName: "a.example",
    alpn: "h2",
    version: "TLSv1.3",
    resumed: false,
  });
});

test("a handshake takes a round trip, and the time that the script says", () => {
  const quick = handshake({});
  expect([quick.client.securedAt, quick.server.securedAt]).toEqual([4, 5]);
  const slow = handshake({ delay: 10 });
  expect([slow.client.securedAt, slow.server.securedAt]).toEqual([34, 35]);
});

test("either side gives up where the script says so; the other hears an alert", () => {
  const server = handshake({ failure: "server", detail: "NO_SHARED_CIPHER" });
  expect(server.server.reason).toBe("TLS:NO_SHARED_CIPHER");
  expect(server.client.reason).toBe("TLS:ALERT_40");
  const client = handshake({ failure: "client", detail: "BAD_SIGNATURE" });
  expect(client.client.reason).toBe("TLS:BAD_SIGNATURE");
  expect(client.client.info).toBe(null);
  expect(client.server.info).toBe(null);
  expect(client.server.reason).not.toBe("");
});

test("the verdict on a chain, and resumption, are the script's", () => {
  const { client } = handshake({ verifyError: "CERT_HAS_EXPIRED", resumed: true });
  expect(client.info).toMatchObject({ verifyError: "CERT_HAS_EXPIRED", resumed: true });
});
