/**
 * Runs exchanges over real sockets: raw TCP clients before the proxy, a raw TCP origin per lane behind it. The
 * proxy is somebody else's process; this file only needs to know its ports.
 */
import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net";
import { freePorts } from "./child-process.ts";
import type { Exchange, Outcome, Target } from "./exchange.ts";
import { type ClientWire, runExchange, type Stage } from "./exchange-runner.ts";
import type { OriginConnection, OriginPlay } from "./scripted-origin.ts";

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** One lane: an origin on a port of its own and the clients of one exchange at a time. */
export class TcpLane implements Stage {
  private readonly server: Server;
  private current: OriginPlay | null = null;
  private readonly sockets = new Set<Socket>();
  private readonly clients = new Set<Socket>();
  private waiters: (() => void)[] = [];
  private portOf: (profile: string) => number = () => 0;

  private constructor(server: Server) {
    this.server = server;
  }

  /** Listens on a free port of 127.0.0.1. */
  static async open(): Promise<TcpLane> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const lane = new TcpLane(server);
    server.on("connection", (socket) => lane.accept(socket));
    const [port] = await freePorts(1);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return lane;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  /** Says where the proxy listens for this lane. */
  proxyAt(portOf: (profile: string) => number): void {
    this.portOf = portOf;
  }

  play(play: OriginPlay): void {
    this.current = play;
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }

  private accept(socket: Socket): void {
    if (this.current === null) {
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    const connection: OriginConnection = this.current.accept({
      write: (bytes) => void socket.write(bytes, "latin1"),
      end: () => void socket.end(),
      close: () => socket.destroySoon(),
      reset: () => void socket.resetAndDestroy(),
      later: (ms, then) => void (ms === 0 ? setImmediate(then) : setTimeout(then, ms)),
    });
    socket.on("data", (chunk: Buffer) => {
      connection.onBytes(chunk.toString("latin1"));
      this.wake();
    });
    socket.on("end", () => {
      connection.onEnd("fin");
      this.wake();
    });
    socket.on("error", () => {
      connection.onEnd("reset");
      this.wake();
    });
    socket.on("close", () => {
      this.sockets.delete(socket);
      connection.onEnd("fin");
      this.wake();
    });
  }

  async connect(profile: string): Promise<ClientWire> {
    const socket = tcpConnect({
      host: "127.0.0.1",
      port: this.portOf(profile),
      allowHalfOpen: true,
      noDelay: true,
    });
    this.clients.add(socket);
    const wire = {
      received: "",
      ended: "open" as "open" | "fin" | "reset",
      async write(piece: string) {
        if (!socket.destroyed && !socket.writableEnded) socket.write(piece, "latin1");
        await tick();
      },
      end: () => void socket.end(),
      reset: () => void socket.resetAndDestroy(),
    };
    const over = (how: "fin" | "reset") => {
      if (wire.ended === "open") wire.ended = how;
      this.wake();
    };
    socket.on("data", (chunk: Buffer) => {
      wire.received += chunk.toString("latin1");
      this.wake();
    });
    socket.on("end", () => over("fin"));
    socket.on("error", () => over("reset"));
    socket.on("close", () => {
      this.clients.delete(socket);
      over("fin");
    });
    let connected = false;
    socket.on("connect", () => {
      connected = true;
      this.wake();
    });
    await this.until(() => connected || wire.ended !== "open", 2000);
    return wire;
  }

  async until(condition: () => boolean, ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (!condition()) {
      const left = end - performance.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  elapse(ms: number): Promise<void> {
    return pause(ms);
  }

  async clear(): Promise<void> {
    this.current = null;
    for (const client of this.clients) client.destroy();
    for (const socket of this.sockets) socket.end();
    await this.until(() => this.sockets.size === 0, 100);
    for (const socket of this.sockets) socket.destroy();
    await this.until(() => this.sockets.size === 0 && this.clients.size === 0, 100);
    await tick();
  }

  async close(): Promise<void> {
    await this.clear();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

/** A listening proxy as a target. `port(profile, lane)` is 0 where the proxy has no such listener. */
export class TcpTarget implements Target {
  readonly name: string;
  private readonly origins: readonly TcpLane[];
  private readonly port: (profile: string, lane: number) => number;
  private readonly stop: () => Promise<void>;

  constructor(
    name: string,
    origins: readonly TcpLane[],
    port: (profile: string, lane: number) => number,
    stop: () => Promise<void>,
  ) {
    this.name = name;
    this.origins = origins;
    this.port = port;
    this.stop = stop;
    for (const [lane, origin] of origins.entries()) origin.proxyAt((profile) => port(profile, lane));
  }

  get lanes(): number {
    return this.origins.length;
  }

  has(profile: string): boolean {
    return this.port(profile, 0) !== 0;
  }

  exchange(what: Exchange, lane: number): Promise<Outcome> {
    return runExchange(this.origins[lane], what);
  }

  async close(): Promise<void> {
    for (const origin of this.origins) await origin.close();
    await this.stop();
  }
}
