/**
 * A TLS server for the tools of others: `node test/adapters/tls-server.ts node [options as JSON]`. Says its port; answers every chunk
 * with what the handshake came to, as the body of an HTTP response; writes down why connections closed.
 */
import type { CloseReason, PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import type { TlsInfo } from "../../core/io/tls.ts";
import { at } from "../../runtime-adapters/memory/network.ts";
import { CA, SERVER_OPTIONS } from "../support/tls-fixture.ts";
import { bytes, NO_OPTIONS } from "./lab.ts";
import { load } from "./run.ts";

const runtime = await load(process.argv[2]);
const driver = runtime.createDriver({ log: console.error, openLog: () => ({ write() {} }) });
driver.attach({ nextDeadline: () => Number.POSITIVE_INFINITY, expire() {} });
const context = driver.platform.tlsContext({
  ...SERVER_OPTIONS,
  requestCertificate: true,
  authorities: CA,
  alpn: ["h2", "http/1.1"],
  ...JSON.parse(process.argv[3] ?? "{}"),
});

class Answering implements SocketHandler {
  private readonly socket: PlainSocket;
  private info: TlsInfo | null = null;

  constructor(socket: PlainSocket) {
    this.socket = socket;
  }

  onConnect(): void {}
  onBlocked(): void {}
  onDrain(): void {}

  onSecured(info: TlsInfo): void {
    this.info = info;
  }

  onData(chunk: Uint8Array): void {
    if (this.info === null) {
      this.socket.secure(context, chunk, "");
      return;
    }
    const { peerCertificates, ...rest } = this.info;
    const body = JSON.stringify({ ...rest, peers: peerCertificates.length });
    const answer = bytes(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    this.socket.write(answer, 0, answer.length);
  }

  onEnd(): void {
    this.socket.end();
  }

  onClose(reason: CloseReason): void {
    console.log(`closed ${reason}`);
  }
}

const listener = await driver.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => new Answering(socket));
console.log(`port ${listener.address.port}`);
