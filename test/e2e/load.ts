/**
 * Clients that ask without pause, each on a connection of its own that it keeps as long as it may, and judge every
 * answer. A request counts as failed when it was sent on a connection that the proxy had not said it would close,
 * and no whole 200 came back; a refused connect counts as failed unless the proxy was told to stop.
 */
import { connect, type Socket } from "node:net";
import { readResponse, valuesOf, type WireResponse } from "../support/wire-reader.ts";

export class Load {
  answered = 0;
  readonly failures: string[] = [];
  /** Bodies or headers seen, by what `note` makes of a response. */
  readonly seen = new Map<string, number>();
  private running = true;
  /** From now on connects may be refused. */
  stopping = false;
  private readonly clients: Promise<void>[];
  private readonly port: number;
  private readonly note: (response: WireResponse) => string;

  constructor(port: number, clients: number, note: (response: WireResponse) => string = () => "") {
    this.port = port;
    this.note = note;
    this.clients = Array.from({ length: clients }, (_, i) => this.client(i));
  }

  /** Waits until so many requests were answered. */
  async reach(count: number, ms = 20_000): Promise<void> {
    const end = performance.now() + ms;
    while (this.answered < count && performance.now() < end) await new Promise((r) => setTimeout(r, 5));
  }

  /** Stops asking and waits for what is under way. */
  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.clients);
  }

  private async client(number: number): Promise<void> {
    let socket: Socket | null = null;
    while (this.running) {
      if (socket === null) {
        socket = await this.dial();
        if (socket === null) {
          if (!this.stopping) this.failures.push("connection refused");
          return;
        }
      }
      const outcome = await this.ask(socket, `/echo?${number}`);
      if (typeof outcome === "string") {
        this.failures.push(outcome);
        socket.destroy();
        socket = null;
        continue;
      }
      this.answered++;
      const noted = this.note(outcome);
      if (noted !== "") this.seen.set(noted, (this.seen.get(noted) ?? 0) + 1);
      if (outcome.status !== 200) this.failures.push(`status ${outcome.status} ${outcome.body}`);
      if (valuesOf(outcome, "connection").join().includes("close")) {
        socket.destroy();
        socket = null;
      }
    }
    socket?.destroy();
  }

  private dial(): Promise<Socket | null> {
    return new Promise((resolve) => {
      const socket = connect({ host: "127.0.0.1", port: this.port, noDelay: true });
      socket.once("connect", () => resolve(socket));
      socket.once("error", () => resolve(null));
    });
  }

  private ask(socket: Socket, target: string): Promise<WireResponse | string> {
    return new Promise((resolve) => {
      let received = "";
      const done = (outcome: WireResponse | string) => {
        clearTimeout(timer);
        socket.removeAllListeners("data").removeAllListeners("close").removeAllListeners("error");
        socket.on("error", () => undefined);
        resolve(outcome);
      };
      const timer = setTimeout(() => done(`no answer after ${received.length} bytes`), 10_000);
      socket.on("data", (chunk: Buffer) => {
        received += chunk.toString("latin1");
        const response = readResponse(received, 0, "GET", false);
        if (response?.complete) done(response);
      });
      socket.on("error", (error) => done(`${error.message} after ${received.length} bytes`));
      socket.on("close", () => done(`closed after ${received.length} bytes`));
      socket.write(`GET ${target} HTTP/1.1\r\nHost: load.test\r\n\r\n`);
    });
  }
}
