/** A real sidecar process on a real runtime, started from a bootstrap text, for end-to-end stories. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { InstalledRuntime } from "./runtimes.ts";

const ROOT = resolve(import.meta.dir, "../..");
const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/** Longest wait for anything in these stories, ms: a loaded machine is no failure. */
export const PATIENCE = 20_000;

/** No connection is kept: one that its server closes just now would be a failure that nobody is to blame for. */
const ONCE: RequestInit = { headers: { connection: "close" }, keepalive: false };

/** A folder of its own that goes away with `remove`. */
export class Workspace {
  readonly path = mkdtempSync(join(tmpdir(), "tulle-e2e-"));

  file(name: string): string {
    return join(this.path, name);
  }

  /** Writes a file (JSON unless it is text) and returns its path. */
  write(name: string, content: unknown): string {
    writeFileSync(this.file(name), typeof content === "string" ? content : JSON.stringify(content, null, 1));
    return this.file(name);
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** `{ socket_address: … }` on loopback. */
export function loopback(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}

/** A listener with one HTTP connection manager; `routes` is a route configuration, or an `rds` block. */
export function httpListener(name: string, port: number, routes: object, more: object = {}): object {
  const manager = {
    "@type": HCM,
    stat_prefix: name,
    ...routes,
    http_filters: [{ name: "envoy.filters.http.router", typed_config: { "@type": ROUTER } }],
  };
  return {
    name,
    address: loopback(port),
    filter_chains: [
      { filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }] },
    ],
    ...more,
  };
}

/** A route configuration that answers everything with `text`. */
export function answering(text: string, name = "local"): object {
  const routes = [
    { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: text } } },
  ];
  return { name, virtual_hosts: [{ name: "all", domains: ["*"], routes }] };
}

/** A route configuration that sends everything to `cluster`. */
export function forwarding(cluster: string, name = "local"): object {
  const routes = [{ match: { prefix: "/" }, route: { cluster } }];
  return { name, virtual_hosts: [{ name: "all", domains: ["*"], routes }] };
}

/** A STATIC cluster with one endpoint. */
export function staticCluster(name: string, port: number): object {
  return {
    name,
    type: "STATIC",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }],
    },
  };
}

/** How a process ended. */
export interface Ending {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class SidecarProcess {
  private readonly child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  private readonly stdoutText: Promise<string>;
  private readonly stderrText: Promise<string>;
  private readonly adminFile: string;
  admin = "";

  /**
   * Starts `runtime-adapters/<runtime>/main.ts` itself, or another entry file: no launcher stands between the test and the
   * process.
   */
  constructor(
    runtime: InstalledRuntime,
    workspace: Workspace,
    bootstrap: object,
    options: readonly string[] = [],
    more: { readonly entry?: string; readonly variables?: { readonly [name: string]: string } } = {},
  ) {
    const config = workspace.write("bootstrap.json", bootstrap);
    this.adminFile = workspace.file(`admin-${Math.random().toString(36).slice(2)}`);
    const entry = more.entry ?? join(ROOT, "runtime-adapters", runtime.name, "main.ts");
    const args = ["sidecar", "-c", config, "--admin-address-path", this.adminFile, ...options];
    this.child = Bun.spawn([...runtime.command, entry, ...args], {
      cwd: workspace.path,
      env: { ...process.env, ...more.variables },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.stdoutText = new Response(this.child.stdout).text();
    this.stderrText = new Response(this.child.stderr).text();
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Resolves when `/ready` says LIVE; rejects if the process ends first. */
  async ready(): Promise<this> {
    const deadline = performance.now() + PATIENCE;
    while (performance.now() < deadline) {
      if (this.child.exitCode !== null)
        throw new Error(`exit ${this.child.exitCode}: ${await this.stderrText}`);
      try {
        this.admin = `http://${readFileSync(this.adminFile, "utf8")}`;
        if ((await fetch(`${this.admin}/ready`, ONCE)).status === 200) return this;
      } catch {
        // Not there yet.
      }
      await Bun.sleep(20);
    }
    this.child.kill("SIGKILL");
    throw new Error(`not ready: ${await this.stderrText}`);
  }

  /** Resolves when the admin pages answer, which may be long before `ready`. */
  async reachable(): Promise<this> {
    await eventually(
      async () => existsSync(this.adminFile),
      (there) => there,
    );
    this.admin = `http://${readFileSync(this.adminFile, "utf8")}`;
    return this;
  }

  /** Where a listener listens. */
  async url(listener: string): Promise<string> {
    for (const line of (await this.get("/listeners")).split("\n")) {
      if (line.startsWith(`${listener}::`)) return `http://${line.slice(listener.length + 2)}`;
    }
    throw new Error(`no listener ${listener}`);
  }

  async get(path: string): Promise<string> {
    return (await fetch(this.admin + path, ONCE)).text();
  }

  async post(path: string): Promise<string> {
    return (await fetch(this.admin + path, { ...ONCE, method: "POST" })).text();
  }

  /** One number of `/stats`, NaN if it is not there. */
  async stat(name: string): Promise<number> {
    const text = await this.get(`/stats?filter=^${name.replaceAll(".", "\\.")}$`);
    return Number(text.split(": ")[1] ?? Number.NaN);
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGUSR1" | "SIGHUP"): void {
    this.child.kill(name);
  }

  /** Resolves when the process is gone. */
  async ended(): Promise<Ending> {
    const code = await this.child.exited;
    return { code, stdout: await this.stdoutText, stderr: await this.stderrText };
  }

  /** For clean-up: ends it if it is still there. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.exited;
  }
}

/** Asks again until `good`; returns the last answer either way. */
export async function eventually<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + PATIENCE;
  let answer = await ask();
  while (!good(answer) && performance.now() < deadline) {
    await Bun.sleep(20);
    answer = await ask();
  }
  return answer;
}
