/**
 * Clients that come back with a session, to real sidecars on each runtime: openssl's s_client, which is not ours. How far
 * a session reaches, and that it opens no door that a handshake would not.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, renameSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { type Issued, rootCa, subCa, workload } from "../support/certificates.ts";
import { findProgram, freePorts } from "../support/child-process.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  loopback,
  SidecarProcess,
  Workspace,
} from "../support/sidecar-process.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CRASHING = resolve(import.meta.dir, "../support/crashing-entry.ts");
const HOUR = 3_600_000;
const VERSIONS = ["-tls1_2", "-tls1_3"] as const;
/** Connections of one client. */
const VISITS = 8;

const openssl = findProgram("openssl", "OPENSSL_BIN");
if (openssl === "") console.log("no openssl (OPENSSL_BIN, PATH): nobody comes back with a session");

/** Node can be told what to seal tickets with, Bun and Deno cannot; Deno seals with one key for all. */
const SHARED_BY_WORKERS = ["node"];
const SHARED_BY_LISTENERS = ["deno"];

let mesh: Issued;
let server: Issued;
let client: Issued;
let stranger: Issued;
let impostor: Issued;
const workspace = new Workspace();
const at = (name: string) => workspace.file(name);

beforeAll(async () => {
  const valid = { from: Date.now() - HOUR, until: Date.now() + HOUR };
  const usual = (name: string) => `spiffe://mesh.test/ns/a/sa/${name}`;
  mesh = await rootCa("CN=mesh", valid);
  stranger = await rootCa("CN=stranger", valid);
  const upper = await subCa(mesh, "CN=upper", valid);
  const lower = await subCa(upper, "CN=lower", valid);
  server = await workload(mesh, usual("server"), valid);
  client = await workload(lower, usual("client"), valid);
  impostor = await workload(stranger, usual("client"), valid);
  for (const [name, { pem, keyPem }] of Object.entries({ client, impostor })) {
    workspace.write(`${name}.pem`, pem);
    workspace.write(`${name}.key`, keyPem);
  }
  workspace.write("client.chain", lower.pem + upper.pem);
});
afterAll(() => workspace.remove());

/** `bare`: the client without the CAs between it and the mesh. */
type Who = "nobody" | "client" | "bare" | "impostor";
type Outcome = "new" | "resumed" | "refused";

/** The last name by which a listener was asked, as it has answered. */
let asked = "";

/**
 * One request over a connection of its own; `from` is the session that it brings, `to` where its new one is kept, `name`
 * the server that it asks for.
 */
async function visit(
  port: number,
  version: string,
  who: Who,
  { from = "", to = "", name = "server.test" }: { readonly [what in "from" | "to" | "name"]?: string } = {},
): Promise<Outcome> {
  const options = ["-connect", `127.0.0.1:${port}`, version, "-ign_eof"];
  options.push(...(name === "" ? ["-noservername"] : ["-servername", name]));
  const whose = who === "bare" ? "client" : who;
  if (who !== "nobody") options.push("-cert", at(`${whose}.pem`), "-key", at(`${whose}.key`));
  if (who === "client") options.push("-cert_chain", at("client.chain"));
  if (from !== "") options.push("-sess_in", at(from));
  if (to !== "") options.push("-sess_out", at(`${to}.next`));
  const child = Bun.spawn([openssl, "s_client", ...options], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  child.stdin.write("GET / HTTP/1.1\r\nhost: server.test\r\nconnection: close\r\n\r\n");
  child.stdin.end();
  const said = await new Response(child.stdout).text();
  // Of TLS 1.3 a session comes with the first bytes; who is refused may have got one before.
  if (to !== "" && existsSync(at(`${to}.next`))) renameSync(at(`${to}.next`), at(to));
  asked = /^x-asked: (\S*)\r?$/m.exec(said)?.[1] ?? "";
  if (!said.includes("200 OK")) return "refused";
  return /^Reused, /m.test(said) ? "resumed" : "new";
}

const tls = (more: object, validation: object | null) => ({
  transport_socket: {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": `${TLS}.DownstreamTlsContext`,
      ...more,
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: { inline_string: server.pem }, private_key: { inline_string: server.keyPem } },
        ],
        ...(validation === null ? {} : { validation_context: validation }),
      },
    },
  },
});

interface Ports {
  /** Asks nobody who it is. */
  readonly open: number;
  /** Asks, and lets everybody in. */
  readonly asking: number;
  /** Lets in whom the mesh has vouched for. */
  readonly mutual: number;
  /** Lets in who names a server. */
  readonly named: number;
  /** Whoever takes a connection to it ends (crashing-entry.ts). */
  readonly crash: number;
}

/** The listeners, in a file; `text` is what they answer, `names` more that the last one asks for. */
function publish(file: string, ports: Ports, text: string, names: readonly object[] = []): void {
  const listener = (name: keyof Ports, socket: object) => {
    const response_headers_to_add = [{ header: { key: "x-asked", value: "%REQUESTED_SERVER_NAME%" } }];
    const route_config = { ...answering(text), response_headers_to_add };
    const plain = httpListener(name, ports[name], { route_config }) as { filter_chains: object[] };
    return { "@type": LISTENER, ...plain, filter_chains: [{ ...plain.filter_chains[0], ...socket }] };
  };
  const trusted_ca = { inline_string: mesh.pem };
  const resources = [
    listener("crash", {}),
    listener("open", tls({}, null)),
    listener("asking", tls({}, { trusted_ca, trust_chain_verification: "ACCEPT_UNTRUSTED" })),
    listener(
      "mutual",
      tls({ require_client_certificate: true }, { trusted_ca, match_typed_subject_alt_names: names }),
    ),
    listener("named", tls({ require_sni: true }, null)),
  ];
  workspace.write(`${file}.next`, { resources });
  renameSync(at(`${file}.next`), at(file));
}

describe.skipIf(openssl === "").each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "on %s",
  (name, runtime) => {
    let ports: Ports;
    let sidecar: SidecarProcess;

    async function start(concurrency: number): Promise<void> {
      const [open, asking, mutual, named, crash] = await freePorts(5);
      ports = { open, asking, mutual, named, crash };
      const file = `${name}-${concurrency}.json`;
      publish(file, ports, "hello");
      const lds_config = { path_config_source: { path: at(file) } };
      const document = {
        node: { id: "n", cluster: "c" },
        admin: { address: loopback(0) },
        dynamic_resources: { lds_config },
      };
      const options = ["-l", "warning", "--concurrency", `${concurrency}`];
      sidecar = await new SidecarProcess(runtime, workspace, document, options, { entry: CRASHING }).ready();
    }

    const stat = (listener: keyof Ports, what: string) =>
      sidecar.stat(`listener.127.0.0.1_${ports[listener]}.ssl.${what}`);

    describe("two workers", () => {
      beforeAll(() => start(2), 30_000);
      afterAll(() => sidecar.kill());

      for (const [listener, who] of [
        ["open", "nobody"],
        ["mutual", "client"],
      ] as const) {
        test(`${who} comes back to ${listener}`, async () => {
          const kept = `${name}-workers`;
          const outcomes: Outcome[] = [];
          for (const version of VERSIONS) {
            rmSync(at(kept), { force: true });
            for (let i = 0; i < VISITS; i++) {
              const from = existsSync(at(kept)) ? kept : "";
              outcomes.push(await visit(ports[listener], version, who, { from, to: kept }));
            }
          }
          const resumed = outcomes.filter((outcome) => outcome === "resumed").length;
          const total = VISITS * VERSIONS.length;
          expect(outcomes).not.toContain("refused");
          // All but the first of each version; elsewhere those that happen to come to the same worker.
          if (SHARED_BY_WORKERS.includes(name)) expect(resumed).toBe(total - VERSIONS.length);
          expect(await stat(listener, "handshake")).toBe(total);
          expect(await stat(listener, "session_reused")).toBe(resumed);
        }, 30_000);
      }
    });

    describe.skipIf(!SHARED_BY_WORKERS.includes(name))("workers that are started again", () => {
      beforeAll(() => start(2), 30_000);
      afterAll(() => sidecar.kill());

      test("resume what the ones before them began", async () => {
        const kept = `${name}-crashed`;
        expect(await visit(ports.mutual, "-tls1_3", "client", { to: kept })).toBe("new");
        const restarts = () => sidecar.stat("tulle.worker_restarts");
        // The second one takes what comes before the first is back: nobody is left who has seen the client.
        for (let crashes = 1; crashes <= 2; crashes++) {
          await fetch(`http://127.0.0.1:${ports.crash}/`, { keepalive: false }).catch(() => undefined);
          expect(await eventually(restarts, (count) => count >= crashes)).toBe(crashes);
        }
        for (let i = 0; i < 4; i++) {
          const outcome = await eventually(
            () => visit(ports.mutual, "-tls1_3", "client", { from: kept, to: kept }),
            (one) => one !== "refused", // a worker that is not back yet
          );
          expect(outcome).toBe("resumed");
        }
      }, 60_000);
    });

    describe("one worker", () => {
      beforeAll(() => start(1), 30_000);
      afterAll(() => sidecar.kill());

      /** The listeners change, and answer `text` from then on. */
      const change = (text: string, names: readonly object[] = []) => {
        publish(`${name}-1.json`, ports, text, names);
        return eventually(
          () => sidecar.get("/config_dump?resource=dynamic_listeners"),
          (dump) => dump.includes(text),
        );
      };

      for (const version of VERSIONS) {
        const kept = `${name}${version}`;

        test(`a session of ${version} opens no other door`, async () => {
          const elsewhere = SHARED_BY_LISTENERS.includes(name) ? "refused" : "new";
          expect(await visit(ports.open, version, "nobody", { to: kept })).toBe("new");
          const missing = await stat("mutual", "fail_verify_no_cert");
          expect(await visit(ports.mutual, version, "nobody", { from: kept })).toBe("refused");
          expect(await stat("mutual", "fail_verify_no_cert")).toBe(missing + 1);
          // Who has a certificate comes in by it, where the engine leaves him the chance to show it.
          expect(await visit(ports.mutual, version, "client", { from: kept })).toBe(elsewhere);
          expect(await visit(ports.asking, version, "impostor", { to: kept })).toBe("new");
          const wrong = await stat("mutual", "fail_verify_error");
          expect(await visit(ports.mutual, version, "impostor", { from: kept })).toBe("refused");
          expect(await visit(ports.mutual, version, "impostor", { from: kept })).toBe("refused");
          expect(await stat("mutual", "fail_verify_error")).toBe(wrong + 2);
        }, 30_000);

        test(`a session of ${version} is asked for by name`, async () => {
          rmSync(at(kept), { force: true });
          expect(await visit(ports.named, version, "nobody", { to: kept })).toBe("new");
          expect(asked).toBe("server.test");
          // What is asked for now counts; without a name, nobody is let in who has had one.
          for (const [name, outcome] of [
            ["server.test", "resumed"],
            ["", "refused"],
          ] as const) {
            expect(await visit(ports.named, version, "nobody", { from: kept, name })).toBe(outcome);
            expect(asked).toBe(outcome === "refused" ? "" : name);
          }
        }, 30_000);

        test(`who did not show the whole way does not come in by a session of ${version} either`, async () => {
          expect(await visit(ports.asking, version, "bare", { to: kept })).toBe("new");
          expect(await visit(ports.mutual, version, "bare")).toBe("refused");
          expect(await visit(ports.mutual, version, "client")).toBe("new"); // from here on it is known
          expect(await visit(ports.mutual, version, "bare")).toBe("refused");
          expect(await visit(ports.mutual, version, "bare", { from: kept })).toBe("refused");
        }, 30_000);

        test(`who was refused does not come in by the session of ${version} that it got`, async () => {
          rmSync(at(kept), { force: true });
          expect(await visit(ports.mutual, version, "impostor", { to: kept })).toBe("refused");
          const from = existsSync(at(kept)) ? kept : "";
          expect(await visit(ports.mutual, version, "impostor", { from })).toBe("refused");
        }, 30_000);

        test(`a session of ${version} outlives changes that do not concern it, and no others`, async () => {
          await change(`before ${version}`);
          expect(await visit(ports.mutual, version, "client", { to: kept })).toBe("new");
          await change(`after ${version}`);
          expect(await visit(ports.mutual, version, "client", { from: kept, to: kept })).toBe("resumed");
          // Another name is asked for, too: the client has it, and shows it anew.
          const prefix = { san_type: "URI", matcher: { prefix: "spiffe://mesh.test/" } };
          await change(`demanding ${version}`, [prefix]);
          const anew = SHARED_BY_LISTENERS.includes(name) ? "resumed" : "new";
          expect(await visit(ports.mutual, version, "client", { from: kept, to: kept })).toBe(anew);
          // Nobody has this one: a session is judged by what holds now.
          const nobody = { san_type: "URI", matcher: { exact: "spiffe://mesh.test/nobody" } };
          await change(`closed ${version}`, [nobody]);
          expect(await visit(ports.mutual, version, "client", { from: kept })).toBe("refused");
          await change(`as it was, ${version}`);
        }, 60_000);
      }
    });
  },
);
