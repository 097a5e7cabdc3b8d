/**
 * TLS in memory on Deno: `node:tls` on a stream of ours. Deno's own TLS (`Deno.startTls`, `Deno.listenTls`) is for
 * clients that have read nothing, and for servers that take any client and have one certificate.
 *
 * The stream has no buffers and no events of its own: what the engine writes goes to `out` at once, what it is given
 * goes to its listener at once. What it decrypts it pushes, past the stream's buffer, to us.
 */
import { Duplex } from "node:stream";
import { ByteQueue } from "../../core/bytes/byte-queue.ts";
import type { TlsContextOptions, TlsInfo } from "../../core/io/tls.ts";
import { failureName, type HostTlsContext, tlsInfo } from "../host-tls-context.ts";
import { joined } from "../joined.ts";
import { gather, RECORD_BYTES } from "../record.ts";
import { makeSecure, peerChain, type SecureNative, serverNameOf, verifyError } from "../secure-native.ts";
import type { EngineUser, TlsEngine } from "../tls-engine.ts";
import { hasProperShape } from "./certificate-shape.ts";

/**
 * Plaintext that the engine has not called back for. Below this it encrypts at once; what is more it would keep, and
 * keep looking at, until later.
 */
const MOST_WAITING = 3 * RECORD_BYTES;

/** What is below the engine. */
class Wire extends Duplex {
  readonly out = new ByteQueue();
  private readonly engine: DenoTls;

  constructor(engine: DenoTls) {
    super({ allowHalfOpen: true });
    this.engine = engine;
  }

  override _read(): void {}

  override write(chunk: Uint8Array, ...rest: unknown[]): boolean {
    this.out.push(chunk, 0, chunk.length);
    const done = rest.at(-1);
    if (typeof done === "function") done(null);
    this.engine.wrote();
    return true;
  }

  override end(...rest: unknown[]): this {
    const done = rest.at(-1);
    if (typeof done === "function") done();
    return this;
  }
}

/** Undocumented: Deno moves ciphertext from the engine to the stream in a microtask, unless it is fetched before. */
interface Drain {
  drainEncOut?(): ArrayBuffer | Uint8Array | null | undefined;
}

/** What came up while the engine was being called; the user hears of it when it has returned. */
type Report = "secured" | "notified" | Uint8Array;

export class DenoTls implements TlsEngine {
  readonly out: ByteQueue;
  private readonly wire: Wire;
  private readonly native: SecureNative;
  /** Kept, because the socket forgets it before the last alert has been fetched. */
  private readonly handle: Drain;
  private readonly options: TlsContextOptions;
  private readonly serverName: string;
  private user: EngineUser | null;
  private ended = false;
  private calling = false;
  /** A server begins one tick after it was made; until then, what it has been given. */
  private early: Uint8Array | null = new Uint8Array(0);
  /** See `MOST_WAITING`. */
  private waiting = 0;
  /** `encrypt` left something. */
  private full = false;
  private readonly reports: Report[] = [];

  constructor(context: HostTlsContext, serverName: string, user: EngineUser) {
    this.user = user;
    this.options = context.options;
    this.serverName = context.options.server ? "" : serverName;
    this.wire = new Wire(this);
    this.out = this.wire.out;
    const native = makeSecure(this.wire, context, serverName);
    this.native = native;
    this.handle = (native._handle ?? {}) as Drain;
    native.push = (chunk: Uint8Array | null) => {
      if (chunk === null) this.report("notified");
      else if (chunk.length !== 0) this.report(chunk);
      return true;
    };
    native.once("secure", () => this.report("secured"));
    native.on("error", (error: NodeJS.ErrnoException) => this.failed(error.code ?? error.message));
    native.on("close", () => this.failed("UNEXPECTED_EOF"));
    if (context.options.server) process.nextTick(() => this.begin());
    else this.early = null;
  }

  private begin(): void {
    const { early } = this;
    this.early = null;
    if (early !== null && early.length !== 0 && this.user !== null) this.receive(early);
  }

  receive(chunk: Uint8Array): void {
    if (this.early !== null) {
      this.early = joined(this.early, chunk);
      return;
    }
    this.calling = true;
    this.wire.emit("data", chunk);
    this.calling = false;
    this.fetch();
    // What is written because of it leaves together with what the engine itself has to say.
    for (let report = this.reports.shift(); report !== undefined; report = this.reports.shift())
      this.tell(report);
    if (this.out.bytes !== 0) this.user?.onOut();
    this.makeRoom();
  }

  encrypt(queue: ByteQueue): void {
    while (queue.bytes !== 0 && this.waiting <= MOST_WAITING - RECORD_BYTES) {
      const { bytes, start, end } = gather(queue);
      const length = Math.min(end - start, RECORD_BYTES);
      this.waiting += length;
      this.native._write(bytes.subarray(start, start + length), "buffer" as BufferEncoding, () => {
        this.waiting -= length;
        if (!this.calling) this.makeRoom();
      });
      queue.consume(length);
      this.fetch();
    }
    this.full = queue.bytes !== 0;
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.native._final(ignore);
    this.fetch();
  }

  close(): void {
    this.user = null;
    this.native.destroy();
  }

  /** For the wire. */
  wrote(): void {
    this.user?.onOut();
  }

  /** What `encrypt` left can be encrypted now, or some of it. */
  private makeRoom(): void {
    if (!this.full || this.waiting > MOST_WAITING - RECORD_BYTES) return;
    this.full = false;
    this.user?.onRoom();
  }

  /** Takes what is for the peer. */
  private fetch(): void {
    const { handle } = this;
    if (typeof handle.drainEncOut !== "function") return;
    for (;;) {
      const data = handle.drainEncOut();
      if (data === null || data === undefined || data.byteLength === 0) break;
      const bytes = new Uint8Array(data as ArrayBuffer);
      this.out.push(bytes, 0, bytes.length);
    }
  }

  private report(what: Report): void {
    if (this.calling) this.reports.push(what);
    else this.tell(what);
  }

  private tell(what: Report): void {
    const { user, native } = this;
    if (user === null) return;
    if (what === "notified") user.onCloseNotify();
    else if (what !== "secured") user.onPlaintext(what);
    else {
      const serverName = serverNameOf(native, this.serverName);
      const chain = peerChain(native);
      const info = tlsInfo(native, serverName, chain, verifyError(native));
      if (chain.length > 0 && !hasProperShape(chain[0])) this.failed("UNPROVED_CERTIFICATE");
      else if (!this.allows(info)) this.failed("UNWANTED_CIPHER_SUITE");
      else user.onSecured(info);
    }
  }

  /** rustls chooses among all that it has. Suites of TLS 1.3 are nobody's to choose. */
  private allows({ version, cipher }: TlsInfo): boolean {
    const { cipherSuites } = this.options;
    return cipherSuites.length === 0 || version === "TLSv1.3" || cipherSuites.includes(cipher);
  }

  private failed(code: string): void {
    const { user } = this;
    if (this.out.bytes !== 0) user?.onOut();
    this.user = null;
    user?.onTlsFailed(failureName(code));
  }
}

function ignore(): void {}
