/**
 * The place where the measuring happens: two cores, a folder, free ports, the upstream, and the proxies that are up at
 * the moment. The proxy has a core to itself; the load and the upstream share the other one.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descendantsOf, ownersOf } from "./accounting.ts";
import { type Identities, makeIdentities } from "./certificate.ts";
import { Child } from "./children.ts";
import type { Contestant } from "./contestant.ts";
import { type FilterChain, NO_FILTERS } from "./filter-chains.ts";
import { type Http2Sides, NO_HTTP2, PLAIN, type Table, type TlsUse } from "./topology.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

export interface Cores {
  /** -1: not pinned. */
  readonly proxy: number;
  readonly load: number;
}

/** A proxy that is up and answers. */
export interface Running {
  readonly contestant: Contestant;
  readonly port: number;
  /** Where it speaks TLS; 0 if it does not. */
  readonly tlsPort: number;
  readonly admin: number;
  /** The processes that own the listening port. Their memory is the proxy's memory. */
  readonly owners: readonly number[];
  /** Everything that was started for it, launchers too. Its CPU time is the proxy's CPU time. */
  readonly family: readonly number[];
  readonly log: string;
  stop(): Promise<void>;
}

export interface RunOptions {
  readonly table?: Table;
  readonly chain?: FilterChain;
  readonly http2?: Http2Sides;
  /** It has a port of TLS, too, for that. */
  readonly tls?: TlsUse;
  readonly clients?: number;
  readonly traceCollector?: boolean;
}

const START_TIMEOUT = 20_000;

export class Lab {
  readonly cores: Cores;
  readonly folder: string;
  readonly upstream: Upstream;
  #nextPort: number;
  #started = 0;
  #identities: Promise<Identities> | null = null;

  private constructor(cores: Cores, folder: string, upstream: Upstream, nextPort: number) {
    this.cores = cores;
    this.folder = folder;
    this.upstream = upstream;
    this.#nextPort = nextPort;
  }

  /** Makes the folder and starts the upstream; ports are taken from `firstPort` up, skipping those in use. */
  static async open(cores: Cores, firstPort: number): Promise<Lab> {
    const folder = mkdtempSync(join(tmpdir(), "tulle-bench-"));
    chmodSync(folder, 0o755); // nginx's worker may run as somebody else
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    const port = await freePort(firstPort);
    const http2Port = await freePort(port + 1);
    const upstream = startUpstream(port, http2Port, folder, cores.load);
    await answers(
      port,
      () => (upstream.child.exited ? "the upstream ended at once" : ""),
      join(folder, "upstream.log"),
    );
    return new Lab(cores, folder, upstream, http2Port + 1);
  }

  /** The certificates of this run, made when they are first needed. */
  identities(): Promise<Identities> {
    this.#identities ??= makeIdentities(this.folder);
    return this.#identities;
  }

  /** Starts a proxy as one worker on its core and waits until it forwards a request. Throws with its log if it does not. */
  async start(contestant: Contestant, options: RunOptions = {}): Promise<Running> {
    const listen = await freePort(this.#nextPort);
    const admin = await freePort(listen + 1);
    const { tls: use } = options;
    const tlsPort = use === undefined ? 0 : await freePort(admin + 1);
    this.#nextPort = Math.max(admin, tlsPort) + 1;
    const folder = join(this.folder, `${++this.#started}-${contestant.name}`);
    mkdirSync(folder);
    const command = await contestant.prepare(
      {
        listen,
        admin,
        upstream: options.http2?.up === true ? this.upstream.http2Port : this.upstream.port,
        http2: options.http2 ?? NO_HTTP2,
        tls: use === undefined ? null : { port: tlsPort, identities: await this.identities(), use },
        clients: options.clients ?? 2048,
        table: options.table ?? PLAIN,
        chain: options.chain ?? NO_FILTERS,
        folder,
      },
      { traceCollector: options.traceCollector ?? false },
    );
    const log = join(folder, "log");
    const child = new Child(command.argv, {
      core: this.cores.proxy,
      log,
      ...(command.env === undefined ? {} : { env: command.env }),
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    });
    try {
      await answers(listen, () => (child.exited ? `${contestant.name} ended at once` : ""), log);
    } catch (error) {
      await child.stop();
      throw error;
    }
    const family = descendantsOf(child.pid);
    const owners = ownersOf(listen, family);
    if (owners.length === 0) throw new Error(`no process of ${contestant.name} owns port ${listen}`);
    return { contestant, port: listen, tlsPort, admin, owners, family, log, stop: () => child.stop() };
  }
}

/** The first port from `from` up on which nobody listens on loopback. */
async function freePort(from: number): Promise<number> {
  for (let port = from; port < 65536; port++) {
    const free = await new Promise<boolean>((done) => {
      const server = createServer();
      server.once("error", () => done(false));
      server.listen({ port, host: "127.0.0.1" }, () => server.close(() => done(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port from ${from} up`);
}

/** Waits until a GET on `port` is answered with 200. `broken` says why waiting is pointless, or "". */
async function answers(port: number, broken: () => string, log: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT;
  for (;;) {
    if (await answersOnce(port)) return;
    const reason = broken() || (Date.now() > deadline ? `no answer on port ${port} for 20 s` : "");
    if (reason !== "")
      throw new Error(`${reason}: ${readFileSync(log, "utf8").trim().slice(-1000) || "it said nothing"}`);
    await Bun.sleep(25);
  }
}

function answersOnce(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write("GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n");
    });
    let text = "";
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("data", (data) => {
      text += data.toString("latin1");
    });
    socket.on("error", () => done(false));
    socket.on("close", () => done(/^HTTP\/1\.1 200 /.test(text)));
  });
}
