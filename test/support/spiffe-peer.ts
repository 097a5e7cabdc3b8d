/**
 * Our small program that lets go-spiffe be the peer of a handshake (test/go-spiffe-peer), built with `go`; and the
 * certificates of its stories, which are valid by the clock of the machine.
 */
import { join } from "node:path";
import { type Issued, type Issuer, type Wish, workload } from "./certificates.ts";
import { type Program, startProgram, temporaryFolder, untilListening } from "./child-process.ts";
import { buildGoProgram } from "./go-program.ts";

const HOUR = 3_600_000;

/** How go-spiffe is to be as a peer. */
export interface SpiffePeer {
  /** Names of files in the folder of the stories: `<svid>.pem`, `<svid>.key`. */
  readonly svid: string;
  /** What it trusts: for a trust domain, a file `<name>.pem`. */
  readonly trusts: { readonly [domain: string]: string };
  /** The only one that it accepts. */
  readonly accepts: string;
  readonly http2?: boolean;
  /** It judges as of so many hours later. */
  readonly ahead?: number;
}

/** A folder with certificates and the program, or why there is none. */
export class SpiffePeers {
  /** Why it cannot be had, or "". */
  readonly missing: string;
  private readonly folder = temporaryFolder();
  private readonly program = join(this.folder.path, "spiffe-peer");

  constructor() {
    this.missing = buildGoProgram("go-spiffe-peer", this.program);
  }

  /** Path of a file of the stories. */
  file(name: string): string {
    return join(this.folder.path, name);
  }

  /** Writes `<name>.pem` and `<name>.key`. */
  async keep(name: string, issued: Issued): Promise<void> {
    await Bun.write(this.file(`${name}.pem`), issued.pem);
    await Bun.write(this.file(`${name}.key`), issued.keyPem);
  }

  /** An X.509-SVID that has been valid for an hour, or was until then, and its files. */
  async issue(name: string, issuer: Issuer, id: string, wish: Wish & { expired?: boolean } = {}) {
    const now = Date.now();
    const { expired = false, ...rest } = wish;
    const times = { from: now - (expired ? 2 : 1) * HOUR, until: now + (expired ? -1 : 1) * HOUR };
    await this.keep(name, await workload(issuer, id, { ...times, ...rest }));
  }

  private start(mode: "ask" | "serve", port: number, peer: SpiffePeer): Program {
    const trusted = Object.entries(peer.trusts).map(
      ([domain, name]) => `${domain}=${this.file(`${name}.pem`)}`,
    );
    return startProgram(this.program, [
      ...[mode, "-address", `127.0.0.1:${port}`, "-authorize", peer.accepts, "-bundle", trusted.join(",")],
      ...["-svid", this.file(`${peer.svid}.pem`), "-key", this.file(`${peer.svid}.key`)],
      ...["-ahead", `${peer.ahead ?? 0}h`, ...(peer.http2 === true ? ["-http2"] : [])],
    ]);
  }

  /** What the peer says of the answer to its request, in one line. */
  async ask(port: number, peer: SpiffePeer): Promise<string> {
    const program = this.start("ask", port, peer);
    await program.exited;
    return program.output().trim();
  }

  /** A server that says who its client is. What it refuses is in its output. */
  async serve(port: number, peer: SpiffePeer): Promise<Program> {
    const program = this.start("serve", port, peer);
    await untilListening(program, port);
    return program;
  }

  remove(): void {
    this.folder.remove();
  }
}
