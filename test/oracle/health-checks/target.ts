/**
 * Whom the proxies under comparison ask whether it is well: a server on a real socket that answers its first checks as
 * a script says, in turn, and holds all later ones. It keeps what it was sent, with the number of the connection.
 */
import { createServer, type Server, type Socket } from "node:net";
import { latin1 } from "../../../core/bytes/ascii.ts";
import type { Peer } from "../../../runtime-adapters/memory/peer.ts";
import { Http2Peer } from "../../support/http2-peer.ts";

/** What becomes of one check. Bytes are sent at once; then the connection is treated as told. */
export interface Step {
  readonly say?: string;
  /** "end": FIN, "reset": RST. Without: it stays. */
  readonly close?: "end" | "reset";
  /** So many ms later, without being asked. */
  readonly later?: { readonly ms: number; readonly say?: string; readonly close?: "end" };
}

/** What becomes of a check that came as this stream of HTTP/2. */
export type Http2Step = (peer: Http2Peer, stream: number) => void;

/**
 * What is a check: a connection, so many bytes, a whole request of HTTP/1 for a path below /health; or one of HTTP/2.
 * Other requests of HTTP/1 are served: `served` is a whole answer.
 */
export type Script =
  | { readonly asks: "connect"; readonly steps: readonly Step[] }
  | { readonly asks: number; readonly steps: readonly Step[] }
  | {
      readonly asks: "http";
      readonly steps: readonly Step[];
      readonly served?: string;
      /** What becomes of the check that is held, once the test goes on. */
      readonly released?: Step;
      /** Later checks are not held, but answered with this. */
      readonly rest?: Step;
    }
  | { readonly asks: "http2"; readonly steps: readonly Http2Step[]; readonly rest?: Http2Step };

/** A target that refuses connections. */
export const REFUSES = "refuses";

export class Target {
  /** What came, in order: "<connection> <bytes>". */
  readonly checks: string[] = [];
  port = 0;
  /** A check beyond the script came, and is held. */
  readonly settled: Promise<void>;
  private settle: () => void = () => undefined;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private connections = 0;
  private answered = 0;
  private held: Socket | null = null;
  private readonly script: Script;

  constructor(script: Script) {
    this.script = script;
    this.settled = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.server = createServer({ allowHalfOpen: true }, (socket) => {
      const name = `c${this.connections++}`;
      this.sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => this.sockets.delete(socket));
      socket.on("end", () => socket.end());
      if (script.asks === "http2") this.serveHttp2(socket, name, script);
      else if (script.asks === "connect") {
        this.check(socket, name, "", script.steps);
        socket.on("data", (chunk: Buffer) => this.checks.push(`${name} ${chunk.toString("latin1")}`));
      } else this.serveBytes(socket, name, script);
    });
  }

  async open(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = (this.server.address() as { port: number }).port;
    return this;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }

  private check(socket: Socket, name: string, bytes: string, steps: readonly Step[]): void {
    const step = this.next(name, bytes, steps);
    const { script } = this;
    if (step !== undefined) this.act(socket, step);
    else if (script.asks === "http" && script.rest !== undefined) this.act(socket, script.rest);
    else this.held = socket;
  }

  /** What to do with the check that is held is in the script. */
  get releasable(): boolean {
    return this.script.asks === "http" && this.script.released !== undefined;
  }

  /** Answers the check that is held. */
  release(): void {
    const { script, held } = this;
    this.held = null;
    if (held !== null && script.asks === "http") this.act(held, script.released ?? {});
  }

  private act(socket: Socket, step: Step): void {
    if (step.say !== undefined) socket.write(step.say, "latin1");
    if (step.close === "end") socket.end();
    if (step.close === "reset") socket.resetAndDestroy();
    const { later } = step;
    if (later === undefined) return;
    setTimeout(() => {
      if (later.say !== undefined && socket.writable) socket.write(later.say, "latin1");
      if (later.close === "end") socket.end();
    }, later.ms);
  }

  /** The next step; undefined = hold it. */
  private next<S>(name: string, what: string, steps: readonly S[]): S | undefined {
    if (this.answered >= steps.length) {
      this.settle();
      return undefined;
    }
    const step = steps[this.answered++];
    this.checks.push(what === "" ? name : `${name} ${what}`);
    return step;
  }

  private serveBytes(
    socket: Socket,
    name: string,
    script: Script & { readonly asks: "http" | number },
  ): void {
    let waiting = "";
    socket.on("data", (chunk: Buffer) => {
      waiting += chunk.toString("latin1");
      for (;;) {
        const length = script.asks === "http" ? requestLength(waiting) : script.asks;
        if (waiting === "" || waiting.length < length) return;
        const bytes = waiting.slice(0, length);
        waiting = waiting.slice(length);
        const served = script.asks === "http" && !/^\S+ \/health/.test(bytes);
        if (served) socket.write((script as { served?: string }).served ?? "", "latin1");
        else this.check(socket, name, bytes, script.steps);
      }
    });
  }

  private serveHttp2(socket: Socket, name: string, script: Script & { readonly asks: "http2" }): void {
    const { steps, rest } = script;
    let received = "";
    const wire = {
      send(data: Uint8Array) {
        if (socket.writable) socket.write(data);
      },
      take() {
        const bytes = received;
        received = "";
        return bytes;
      },
    };
    const peer = new Http2Peer(wire as unknown as Peer, false);
    const heads = new Map<number, string>();
    let greeted = false;
    socket.on("data", (chunk: Buffer) => {
      received += latin1(chunk, 0, chunk.length);
      if (!greeted) peer.settings().settingsAck();
      greeted = true;
      for (const line of peer.heard()) {
        const number = /^(\d+) (?:head|data)/.exec(line)?.[1];
        const whole = line.endsWith(" end");
        if (number === undefined) {
          if (this.answered < steps.length) this.checks.push(`${name} ${line}`);
          continue;
        }
        const stream = Number(number);
        const before = heads.get(stream);
        const text = sortFields(whole ? line.slice(0, -4) : line);
        const said = before === undefined ? text : `${before}${text.slice(`${number} data `.length)}`;
        heads.set(stream, said);
        if (whole) (this.next(name, said, steps) ?? rest)?.(peer, stream);
      }
    });
  }
}

/** The fields of a head in the order of their names, which says nothing in HTTP/2. */
function sortFields(line: string): string {
  const [, start, fields] = /^(\d+ head )(.*)$/s.exec(line) ?? [];
  return fields === undefined ? line : `${start}${fields.split(" ").sort().join(" ")} `;
}

/** Bytes of the first request in it, or infinity. */
function requestLength(bytes: string): number {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return Number.POSITIVE_INFINITY;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.slice(0, end + 2));
  return end + 4 + Number(length?.[1] ?? 0);
}
