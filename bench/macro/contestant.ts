/**
 * What the bench needs to know of a proxy to let it take part: whether it is here, and how to start it as one worker
 * in a given topology. One file per proxy under rivals/ and tulle.ts says it; nothing here measures.
 */
import type { Topology } from "./topology.ts";

export interface Contestant {
  /** Short name for options and tables: "nginx", "tulle-bun". */
  readonly name: string;
  readonly ours: boolean;
  /** Whether it can be given tables of routes and clusters. */
  readonly hasTables: boolean;
  /** Whether it takes an Envoy bootstrap: has filters, and speaks HTTP/2 on either side. */
  readonly likeEnvoy: boolean;
  /** Nothing of it is compiled while it runs, WASM filters aside: one load is enough to warm it up. */
  readonly compiled: boolean;
  /** Whether it is set up to speak TLS to clients. */
  readonly tls: boolean;
  /** Scenarios that it takes part in, by id; null for all. */
  readonly scenarios: readonly string[] | null;
  /** Looks for the program. Never throws. */
  find(): Promise<Presence>;
  /** Writes the configuration into `topology.folder` and says how to start it. Call only if `find` found it. */
  prepare(topology: Topology, options: PrepareOptions): Promise<Command>;
}

export interface PrepareOptions {
  /** Make the runtime log its garbage collections to standard output or error, where it can. */
  readonly traceCollector: boolean;
}

export type Presence =
  | { readonly here: true; readonly version: string }
  /** `remedy`: what it would take to have it. */
  | { readonly here: false; readonly remedy: string };

export interface Command {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** First line that matches `pattern` in what a program prints about itself, or null if it cannot be run. */
export async function versionOf(argv: readonly string[], pattern: RegExp): Promise<string | null> {
  try {
    const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    const found = pattern.exec(out + err);
    return found ? found[1] : null;
  } catch {
    return null;
  }
}
