/**
 * Certificates in files, named by a listener or by secrets that SDS delivers: read, watched, rotated, dumped, counted,
 * validated; and no key is in anything that a person may see.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import type { Snapshot } from "../../../core/config/model.ts";
import { listStats } from "../../../core/telemetry/stat-list.ts";
import { secretsOf, validationOf } from "../../../core/tls/tls-secrets.ts";
import type { Bootstrap, Warming } from "../../../core/xds/resource.ts";
import type { AdminSource } from "../../../runtime-adapters/sidecar/admin/admin-source.ts";
import { configDump } from "../../../runtime-adapters/sidecar/admin/config-dump.ts";
import { readBootstrapFile } from "../../../runtime-adapters/sidecar/config-file.ts";
import { checks } from "../../../runtime-adapters/sidecar/engine.ts";
import { type ProcessFacts, ProcessStats } from "../../../runtime-adapters/sidecar/process-stats.ts";
import { type Outcome, Subscriptions } from "../../../runtime-adapters/sidecar/subscriptions.ts";
import { validate } from "../../../runtime-adapters/sidecar/validate.ts";
import { type Issued, rootCa, workload } from "../../support/certificates.ts";
import { answering, httpListener, Workspace } from "../../support/sidecar-process.ts";
import { snapshot as snapshotOf } from "../../support/snapshot-fixture.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.";

let root: Issued;
let old: Issued;
let renewed: Issued;
let workspace: Workspace;
let subscriptions: Subscriptions | null;
let outcomes: Outcome[];
let snapshot: Snapshot;
let warming: readonly Warming[];
let changed: () => void;

beforeAll(async () => {
  const now = Date.now();
  const period = { from: now - 3_600_000, until: now + 3_600_000 };
  root = await rootCa("CN=root", period);
  old = await workload(root, undefined, period);
  renewed = await workload(root, undefined, period);
});

beforeEach(() => {
  workspace = new Workspace();
  subscriptions = null;
  outcomes = [];
  changed = () => {};
});

afterEach(() => {
  subscriptions?.close();
  workspace.remove();
});

const text = (file: string, content: string) => writeFileSync(workspace.file(file), content);
const source = (file: string) => ({ filename: workspace.file(file) });
const files = () => ({ certificate_chain: source("cert.pem"), private_key: source("key.pem") });
const sds = (name: string) => ({
  name,
  sds_config: { path_config_source: { path: workspace.file("sds.json") } },
});

function listener(common: object): object {
  const made = httpListener("in", 0, { route_config: answering("hello") }) as never as {
    filter_chains: object[];
  };
  const context = { "@type": `${TLS}DownstreamTlsContext`, common_tls_context: common };
  Object.assign(made.filter_chains[0], { transport_socket: { name: "tls", typed_config: context } });
  return made;
}

function start(common: object): Subscriptions {
  const path = workspace.write("bootstrap.json", { static_resources: { listeners: [listener(common)] } });
  const { bootstrap, faults } = readBootstrapFile(path, checks);
  expect(faults).toEqual([]);
  const made = new Subscriptions(bootstrap as Bootstrap, checks, {
    onOutcome: (outcome) => outcomes.push(outcome),
    onSnapshot: (now, waiting) => {
      snapshot = now;
      warming = waiting;
      changed();
    },
  });
  subscriptions = made;
  made.start();
  return made;
}

/** Moves new contents over files, one after the other, and waits until they were read, a second at most. */
function replace(contents: { [file: string]: string }): Promise<void> {
  const read = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("not noticed within 1 s")), 1000);
    changed = () => {
      clearTimeout(late);
      resolve();
    };
  });
  for (const [file, content] of Object.entries(contents)) {
    text(`${file}.next`, content);
    renameSync(workspace.file(`${file}.next`), workspace.file(file));
  }
  return read;
}

const secretNames = () => snapshot.secrets?.map(({ name }) => name.replace(`${workspace.path}/`, ""));
const shown = () => snapshot.secrets?.map(({ certificate }) => certificate?.chain);
const keyPieces = () => [old, renewed].map(({ keyPem }) => keyPem.split("\n")[1].slice(10, 50));

describe("files that a listener names itself", () => {
  test("are watched, and rotate together; the listener stays the same", async () => {
    text("cert.pem", old.pem);
    text("key.pem", old.keyPem);
    start({ tls_certificates: [files()] });
    expect(shown()).toEqual([old.pem]);
    const [before] = snapshot.listeners;
    const { version } = snapshot.secrets?.[0] ?? {};

    await replace({ "key.pem": renewed.keyPem, "cert.pem": renewed.pem });
    expect(shown()).toEqual([renewed.pem]);
    expect(snapshot.secrets?.[0].version).not.toBe(version as never);
    expect(snapshot.listeners[0]).toBe(before);
  });

  test("half-way through a rotation what was there stays, and it is said why", async () => {
    text("cert.pem", old.pem);
    text("key.pem", old.keyPem);
    start({ tls_certificates: [files()] });
    outcomes = [];
    await replace({ "cert.pem": renewed.pem });
    expect(shown()).toEqual([old.pem]);
    const said = outcomes
      .flatMap(({ faults }) => faults)
      .map((fault) => fault.replaceAll(`${workspace.path}/`, ""));
    expect(said).toEqual([
      "cert.pem, key.pem: tls_certificate.private_key: is not the key of the certificate",
    ]);
    await replace({ "key.pem": renewed.keyPem });
    expect(shown()).toEqual([renewed.pem]);
  });

  test("that a cluster trusts are watched, too", async () => {
    const other = await rootCa("CN=other");
    text("cert.pem", old.pem);
    text("key.pem", old.keyPem);
    text("ca.pem", root.pem);
    start({ tls_certificates: [files()], validation_context: { trusted_ca: source("ca.pem") } });
    const trusted = () => snapshot.secrets?.flatMap(({ validation }) => validation?.trustedCa ?? []);
    expect(trusted()).toEqual([root.pem]);
    await replace({ "ca.pem": root.pem + other.pem });
    expect(trusted()).toEqual([root.pem + other.pem]);
  });
});

test("files that a default_validation_context names are watched, beside what completes it", async () => {
  const other = await rootCa("CN=other");
  const secret = { name: "NAMES", validation_context: { max_verify_depth: 3 } };
  const resources = [{ "@type": `${TLS}Secret`, ...secret }];
  text("cert.pem", old.pem);
  text("key.pem", old.keyPem);
  text("ca.pem", root.pem);
  text("sds.json", JSON.stringify({ resources }));
  start({
    tls_certificates: [files()],
    combined_validation_context: {
      default_validation_context: { trusted_ca: source("ca.pem") },
      validation_context_sds_secret_config: sds("NAMES"),
    },
  });
  const trusted = () => {
    const { tls } = snapshot.listeners[0].filterChains[0];
    const used = secretsOf(tls as never, new Map(snapshot.secrets?.map((each) => [each.name, each])));
    const validation = used === null ? null : validationOf(tls as never, used);
    return [validation?.trustedCa, validation?.maxDepth];
  };
  expect(trusted()).toEqual([root.pem, 3]);
  const [before] = snapshot.listeners;
  await replace({ "ca.pem": root.pem + other.pem });
  expect(trusted()).toEqual([root.pem + other.pem, 3]);
  expect(snapshot.listeners[0]).toBe(before);
});

describe("secrets from an SDS file", () => {
  const document = (version: string, ...resources: object[]) =>
    JSON.stringify({
      version_info: version,
      resources: resources.map((resource) => ({ "@type": `${TLS}Secret`, ...resource })),
    });
  const certificate = (issued: Issued) => ({
    name: "default",
    tls_certificate: {
      certificate_chain: { inline_string: issued.pem },
      private_key: { inline_string: issued.keyPem },
    },
  });
  const trust = () => ({ name: "ROOTCA", validation_context: { trusted_ca: { inline_string: root.pem } } });
  const common = () => ({
    tls_certificate_sds_secret_configs: [sds("default")],
    validation_context_sds_secret_config: sds("ROOTCA"),
  });

  test("come and rotate by their file, and by the files that they name", async () => {
    text("cert.pem", old.pem);
    text("key.pem", old.keyPem);
    text("sds.json", document("1", { name: "default", tls_certificate: files() }, trust()));
    start(common());
    expect(secretNames()).toEqual(["default@sds.json", "ROOTCA@sds.json"]);
    expect(shown()).toEqual([old.pem, undefined]);
    await replace({ "cert.pem": renewed.pem, "key.pem": renewed.keyPem });
    expect(shown()).toEqual([renewed.pem, undefined]);
    await replace({ "sds.json": document("2", certificate(old), trust()) });
    expect(shown()).toEqual([old.pem, undefined]);
  });

  test("that are not there: the listener is there all the same, without them", async () => {
    text("sds.json", document("1", trust()));
    start(common());
    expect([snapshot.listeners.length, warming.length]).toEqual([1, 0]);
    expect(secretNames()).toEqual(["ROOTCA@sds.json"]);
    await replace({ "sds.json": document("2", certificate(old), trust()) });
    expect(secretNames()).toEqual(["ROOTCA@sds.json", "default@sds.json"]);
  });

  test("that come and rotate are counted by who uses them, when all are there", async () => {
    const name = "listener.127.0.0.1_0.server_ssl_socket_factory.ssl_context_update_by_sds";
    const stats = new ProcessStats();
    let before = snapshotOf([], []);
    const counted = () => {
      stats.countSnapshot(before, snapshot, []);
      before = snapshot;
      const facts = {
        state: "LIVE",
        snapshot,
        startedAt: 0,
        concurrency: 1,
        workerRestarts: 0,
        exceptions: 0,
      };
      const { numbers } = listStats(stats.export(facts as ProcessFacts, []));
      return numbers.find((each) => each.name === name)?.value;
    };
    text("cert.pem", old.pem);
    text("key.pem", old.keyPem);
    text("sds.json", document("1", trust()));
    start(common());
    expect(counted()).toBe(0);
    await replace({ "sds.json": document("2", { name: "default", tls_certificate: files() }, trust()) });
    expect(counted()).toBe(2);
    expect(counted()).toBe(2);
    await replace({ "cert.pem": renewed.pem, "key.pem": renewed.keyPem });
    expect(counted()).toBe(3);
  });

  test("are counted and dumped, without their keys", async () => {
    text("sds.json", document("1", certificate(old), trust()));
    const made = start(common());
    const stats = new ProcessStats();
    for (const outcome of outcomes) stats.countOutcome(outcome, snapshot);
    const rest = { startedAt: 0, concurrency: 1, workerRestarts: 0, exceptions: 0 };
    const facts = { state: "LIVE", snapshot, ...rest } as const;
    const { numbers } = listStats(stats.export(facts, []));
    const counted = Object.fromEntries(numbers.map(({ name, value }) => [name, value]));
    expect(counted["sds.default.update_success"]).toBe(1);

    const admin = {
      bootstrap: readBootstrapFile(workspace.file("bootstrap.json"), checks).bootstrap,
      subscriptions: made,
      startedAt: 0,
      snapshot,
      wasmModules: [],
    } as unknown as AdminSource;
    const query = { resource: "", mask: "", matchesName: () => true, includeEds: true };
    const whole = JSON.stringify(configDump(admin, query).json);
    for (const piece of keyPieces()) expect(whole).not.toContain(piece);
    expect(whole).toContain("[redacted]");

    const { json } = configDump(admin, { ...query, resource: "dynamic_active_secrets" });
    expect((json as unknown as { configs: object[] }).configs[0]).toEqual({
      "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump.DynamicSecret",
      name: "default",
      version_info: "1",
      last_updated: expect.any(String),
      secret: {
        "@type": `${TLS}Secret`,
        name: "default",
        tls_certificate: {
          certificate_chain: { inline_string: old.pem },
          private_key: { inline_string: "[redacted]" },
        },
      },
    });
  });

  test("that are broken: validate says where, and quotes no key", () => {
    const mixed = { ...certificate(old).tls_certificate, private_key: { inline_string: renewed.keyPem } };
    text(
      "sds.json",
      document("1", { name: "default", tls_certificate: mixed }, { ...trust(), tls_certificate: {} }),
    );
    const path = workspace.write("bootstrap.json", { static_resources: { listeners: [listener(common())] } });
    const faults = validate(path, checks).map((fault) => fault.replaceAll(`${workspace.path}/`, ""));
    expect(faults.map((fault) => fault.replace(/:\d+:\d+/, ""))).toEqual([
      "sds.json: resources[0].tls_certificate.private_key: is not the key of the certificate",
      "sds.json: resources[1].tls_certificate: only one of validation_context and tls_certificate may be set",
    ]);

    // YAML that is cut in the middle of a key.
    text(
      "sds.json",
      `resources:\n- name: x\n  tls_certificate: { private_key: { inline_string: "${old.keyPem.slice(0, 100)}`,
    );
    const broken = validate(path, checks).join("\n");
    expect(broken).not.toBe("");
    for (const piece of keyPieces()) expect(broken).not.toContain(piece.slice(0, 20));
  });
});
