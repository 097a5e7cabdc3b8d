/**
 * Clients on real sockets that do not behave, and one that does, for stories about real sidecars: what a hostile peer of
 * TLS can do below and above its records.
 */
import { createServer, type Socket, connect as tcpConnect } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { Http2Peer } from "./http2-peer.ts";

const HOST = "127.0.0.1";

/** A connection of TLS, or without, that says what it is told to. */
export class RawClient {
  readonly socket: Socket;
  /** Everything that came, as a byte string, and was not taken. */
  received = "";
  closed = false;
  private readonly watchers: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (data: Buffer) => {
      this.received += data.toString("latin1");
      this.changed();
    });
    socket.on("error", () => this.end());
    socket.on("end", () => this.end());
    socket.on("close", () => this.end());
  }

  /** Resolves when the connection is there, and TLS is unless `alpn` is null. */
  static open(port: number, alpn: "h2" | "http/1.1" | null): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket: Socket | TLSSocket =
        alpn === null
          ? tcpConnect(port, HOST, () => resolve(client))
          : tlsConnect({ port, host: HOST, rejectUnauthorized: false, ALPNProtocols: [alpn] }, () =>
              resolve(client),
            );
      const client = new RawClient(socket);
      socket.on("error", reject);
    });
  }

  private end(): void {
    this.closed = true;
    this.changed();
  }

  private changed(): void {
    for (const watch of this.watchers.splice(0)) watch();
  }

  /** For `Http2Peer`. */
  send(bytes: Uint8Array | string): this {
    if (!this.closed) this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** What came since the last call. */
  take(): string {
    const text = this.received;
    this.received = "";
    return text;
  }

  /** Resolves when that is so, or false after `ms`. Looked at whenever something comes. */
  async until(condition: () => boolean, ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    while (!condition()) {
      const left = end - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 50));
        this.watchers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return true;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** A client of HTTP/2 over TLS, frame by frame; it has said its preface. */
export async function http2Client(port: number): Promise<{ client: RawClient; peer: Http2Peer }> {
  const client = await RawClient.open(port, "h2");
  return { client, peer: new Http2Peer(client as never, true) };
}

/** The first flight of a real client of TLS. */
export async function clientHello(): Promise<Buffer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const hello = await new Promise<Buffer>((resolve) => {
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.once("data", (data: Buffer) => {
        resolve(data);
        socket.destroy();
      });
    });
    const { port } = server.address() as { port: number };
    tlsConnect({ port, host: HOST }).on("error", () => {});
  });
  server.close();
  return hello;
}

/** Someone between a client of TLS and its server who passes everything on, and can add bytes of his own. */
export class Meddler {
  readonly port: number;
  private readonly sockets: Socket[];
  private readonly close: () => void;

  private constructor(port: number, sockets: Socket[], close: () => void) {
    this.port = port;
    this.sockets = sockets;
    this.close = close;
  }

  static async between(target: number): Promise<Meddler> {
    const sockets: Socket[] = [];
    const server = createServer((near) => {
      const far = tcpConnect(target, HOST);
      sockets.push(far);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        from.on("data", (data) => to.write(data));
        from.on("close", () => to.destroy());
        from.on("error", () => to.destroy());
      }
    });
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    return new Meddler((server.address() as { port: number }).port, sockets, () => server.close());
  }

  /** Writes to the server, between two records of the client's. */
  inject(bytes: Uint8Array): void {
    for (const socket of this.sockets) socket.write(bytes);
  }

  stop(): void {
    for (const socket of this.sockets) socket.destroy();
    this.close();
  }
}

/** A client that behaves: a request after the other on one connection, each answered. */
export class Bystander {
  /** The longest that an answer took, ms. */
  worst = 0;
  answers = 0;
  failures = 0;
  private stopped = false;
  private readonly client: RawClient;
  private readonly running: Promise<void>;

  private constructor(client: RawClient) {
    this.client = client;
    this.running = this.run();
  }

  /** Asks for `/small` over TLS and HTTP/1.1 until it is stopped. */
  static async start(port: number): Promise<Bystander> {
    return new Bystander(await RawClient.open(port, "http/1.1"));
  }

  private async run(): Promise<void> {
    const { client } = this;
    while (!this.stopped) {
      const start = performance.now();
      client.send("GET /small HTTP/1.1\r\nhost: a\r\n\r\n");
      const answered = await client.until(() => client.received.endsWith("small"), 5000);
      this.worst = Math.max(this.worst, performance.now() - start);
      if (answered && client.take().startsWith("HTTP/1.1 200 ")) this.answers++;
      else this.failures++;
      if (client.closed) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async stop(): Promise<this> {
    this.stopped = true;
    await this.running;
    this.client.destroy();
    return this;
  }
}
