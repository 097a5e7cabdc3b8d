/**
 * Certificates as operators see them: `/certs`, when they expire, rotation; and that no key is seen anywhere. On real
 * sidecars on each runtime, and beside Envoy where there is one.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { connect } from "node:tls";
import { type Issued, rootCa, type Wish, workload } from "../support/certificates.ts";
import {
  findProgram,
  freePorts,
  type Program,
  startProgram,
  untilListening,
} from "../support/child-process.ts";
import { installedRuntimes } from "../support/runtimes.ts";
import {
  answering,
  eventually,
  httpListener,
  loopback,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../support/sidecar-process.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const SECOND = 1000;
const DAY = 86_400 * SECOND;
const BEGAN = Math.floor(Date.now() / DAY) * DAY - DAY;
const envoyProgram = findProgram("envoy", "ENVOY_BIN");
if (envoyProgram === "") console.log("no Envoy (ENVOY_BIN, PATH): /certs is not compared with its");

const workspace = new Workspace();
const at = (name: string) => workspace.file(name);
const issued: Issued[] = [];

/** Writes `<name>.pem` and `<name>.key`; the certificate is good for so many days from now, and an hour. */
async function keep(name: string, days: number, make: (wish: Wish) => Promise<Issued>): Promise<Issued> {
  const made = await make({ from: BEGAN, until: Date.now() + days * DAY + 3600 * SECOND });
  issued.push(made);
  workspace.write(`${name}.next`, made.pem);
  renameSync(at(`${name}.next`), at(`${name}.pem`));
  workspace.write(`${name}.key`, made.keyPem);
  return made;
}

let ca: Issued;
const names = { dns: ["b.test", "a.test"], ips: ["10.0.0.1", "2001:db8::1"], emails: ["a@b.test"] };

beforeAll(async () => {
  ca = await keep("ca", 300, (wish) => rootCa("CN=mesh", { ...wish, serial: "00c0ffee" }));
  await keep("other", 200, (wish) => rootCa("CN=other", { ...wish, serial: "0b" }));
  await keep("shown", 40, (wish) =>
    workload(ca, "spiffe://mesh.test/a", { ...wish, ...names, serial: "0a1b" }),
  );
  await keep("client", 20, (wish) => workload(ca, "spiffe://mesh.test/c", { ...wish, serial: "7f01" }));
  const secret = (name: string, content: object) =>
    workspace.write(`${name}.json`, { resources: [{ "@type": `${TLS}.Secret`, name, ...content }] });
  secret("workload", { tls_certificate: certificate("shown") });
  secret("root", { validation_context: { trusted_ca: { filename: at("ca.pem") } } });
});
afterAll(() => workspace.remove());

const certificate = (name: string) => ({
  certificate_chain: { filename: at(`${name}.pem`) },
  private_key: { filename: at(`${name}.key`) },
});
const sds = (name: string) => ({ name, sds_config: { path_config_source: { path: at(`${name}.json`) } } });
const socket = (type: string, context: object) => ({
  transport_socket: {
    name: "envoy.transport_sockets.tls",
    typed_config: { "@type": `${TLS}.${type}`, ...context },
  },
});

/** A listener whose secrets are delivered, and two clusters: files, and text with bundles of trust domains. */
function bootstrap(port: number): object {
  const listener = httpListener("in", port, { route_config: answering("hello") }) as {
    filter_chains: object[];
  };
  const delivered = {
    tls_certificate_sds_secret_configs: [sds("workload")],
    validation_context_sds_secret_config: sds("root"),
  };
  const server = socket("DownstreamTlsContext", { common_tls_context: delivered });
  const files = {
    tls_certificates: [certificate("client")],
    validation_context: { trusted_ca: { filename: at("ca.pem") } },
  };
  const bundles = (["ca", "other"] as const).map((name) => ({
    name: `${name}.test`,
    trust_bundle: { filename: at(`${name}.pem`) },
  }));
  const custom = { "@type": `${TLS}.SPIFFECertValidatorConfig`, trust_domains: bundles };
  const text = {
    tls_certificates: [
      {
        certificate_chain: { inline_string: issued[3].pem },
        private_key: { inline_string: issued[3].keyPem },
      },
    ],
    validation_context: {
      custom_validator_config: { name: "envoy.tls.cert_validator.spiffe", typed_config: custom },
    },
  };
  const cluster = (name: string, common: object) => ({
    ...staticCluster(name, 9),
    ...socket("UpstreamTlsContext", { common_tls_context: common }),
  });
  return {
    node: { id: "n", cluster: "c" },
    admin: { address: loopback(0) },
    static_resources: {
      listeners: [{ ...listener, filter_chains: [{ ...listener.filter_chains[0], ...server }] }],
      clusters: [cluster("files", files), cluster("text", text)],
    },
  };
}

interface Details {
  readonly path: string;
  readonly serial_number: string;
}
interface Context {
  readonly ca_cert: readonly Details[];
  readonly cert_chain: readonly Details[];
}

/** In an order of its own, which Envoy's is not. */
const sorted = (contexts: readonly Context[]) =>
  contexts.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
const rfc3339 = (ms: number) => new Date(Math.floor(ms / SECOND) * SECOND).toISOString().replace(".000", "");
const describeOne = (
  made: Issued,
  path: string,
  serial: string,
  days: number,
  subject_alt_names: object[] = [],
) => ({
  path,
  serial_number: serial,
  subject_alt_names,
  days_until_expiration: String(days),
  valid_from: rfc3339(BEGAN),
  expiration_time: rfc3339(made.certificate.notAfter.getTime()),
});

/** What of a key must be nowhere: lines of its PEM, and its bytes in hexadecimal. */
function traces({ keyPem }: Issued): string[] {
  const lines = keyPem.split("\n").filter((line) => line !== "" && !line.startsWith("-----"));
  return [...lines, Buffer.from(lines.join(""), "base64").toString("hex").slice(-64)];
}

describe.each(installedRuntimes.map((runtime) => [runtime.name, runtime] as const))(
  "on %s",
  (_name, runtime) => {
    let sidecar: SidecarProcess;
    let port = 0;

    beforeAll(async () => {
      [port] = await freePorts(1);
      sidecar = await new SidecarProcess(runtime, workspace, bootstrap(port), [
        "-l",
        "trace",
        "--concurrency",
        "2",
      ]).ready();
    });
    afterAll(() => sidecar.kill());

    const certs = async () =>
      (JSON.parse(await sidecar.get("/certs")) as { certificates: Context[] }).certificates;

    test("/certs lists what is shown and trusted", async () => {
      const [authority, other, shown, client] = issued;
      const trusted = describeOne(authority, at("ca.pem"), "c0ffee", 300);
      expect(await certs()).toEqual([
        {
          ca_cert: [trusted],
          cert_chain: [
            describeOne(shown, at("shown.pem"), "0a1b", 40, [
              { dns: "b.test" },
              { dns: "a.test" },
              { uri: "spiffe://mesh.test/a" },
              { ip_address: "10.0.0.1" },
              { ip_address: "2001:db8::1" },
            ]),
          ],
        },
        {
          ca_cert: [trusted],
          cert_chain: [describeOne(client, at("client.pem"), "7f01", 20, [{ uri: "spiffe://mesh.test/c" }])],
        },
        {
          ca_cert: [
            { ...trusted, path: `ca.test: ${at("ca.pem")}` },
            describeOne(other, `other.test: ${at("other.pem")}`, "0b", 200),
          ],
          cert_chain: [describeOne(client, "<inline>", "7f01", 20, [{ uri: "spiffe://mesh.test/c" }])],
        },
      ] as never);
    });

    test("gauges say when they expire, by Envoy's names", async () => {
      const ends = (made: Issued) => Math.floor(made.certificate.notAfter.getTime() / SECOND);
      const [authority, other, shown, client] = issued;
      expect(await sidecar.stat("server.days_until_first_cert_expiring")).toBe(20);
      const gauge = (owner: string, name: string) =>
        sidecar.stat(`${owner}.ssl.certificate.${name}.expiration_unix_time_seconds`);
      const listener = `listener.127.0.0.1_${port}`;
      expect(await gauge(listener, "workload")).toBe(ends(shown));
      expect(await gauge(listener, "root")).toBe(ends(authority));
      expect(await gauge("cluster.files", "unnamed_cert_e3b0c442")).toBe(ends(client));
      expect(await gauge("cluster.files", "unnamed_ca_cert_e3b0c442")).toBe(ends(authority));
      expect(await gauge("cluster.text", "unnamed_ca_cert_0")).toBe(ends(authority));
      expect(await gauge("cluster.text", "unnamed_ca_cert_1")).toBe(ends(other));
      expect(await sidecar.get("/stats/prometheus")).toContain(
        `envoy_cluster_ssl_certificate_expiration_unix_time_seconds{envoy_tls_certificate="unnamed_ca_cert_1",envoy_cluster_name="text"} ${ends(other)}`,
      );
      // Before the first handshake, too: an alert on a counter that is not there does not fire.
      for (const owner of [listener, "cluster.files"])
        expect(await sidecar.stat(`${owner}.ssl.fail_verify_error`)).toBe(0);
    });

    test("a rotated certificate is shown to clients, in /certs and in the gauges", async () => {
      const before = issued[2];
      try {
        await keep("shown", 5, (wish) => workload(ca, "spiffe://mesh.test/a", { ...wish, serial: "55" }));
        const listed = await eventually(certs, ([{ cert_chain }]) => cert_chain[0].serial_number === "55");
        expect(listed[0].cert_chain[0].serial_number).toBe("55");
        expect(await sidecar.stat("server.days_until_first_cert_expiring")).toBe(5);
        expect(
          await eventually(
            () => serialShown(port),
            (serial) => serial === "55",
          ),
        ).toBe("55");
      } finally {
        workspace.write("shown.next", before.pem);
        renameSync(at("shown.next"), at("shown.pem"));
        workspace.write("shown.key", before.keyPem);
      }
    });

    test("a rotated bundle of a trust domain is in /certs", async () => {
      const before = issued[1];
      const rotate = (pem: string) => {
        workspace.write("other.next", pem);
        renameSync(at("other.next"), at("other.pem"));
      };
      try {
        const next = await rootCa("CN=next", { serial: "0c", from: BEGAN, until: BEGAN + 100 * DAY });
        rotate(next.pem);
        const listed = await eventually(certs, (contexts) => contexts[2].ca_cert[1].serial_number === "0c");
        expect(listed[2].ca_cert.map(({ serial_number }) => serial_number)).toEqual(["c0ffee", "0c"]);
      } finally {
        rotate(before.pem);
      }
    });

    test("no page, no line of a log at any level and no fault has a key in it", async () => {
      await serialShown(port);
      // A certificate whose key is another's: the refusal may name files, not what is in them.
      const known = issued[0].keyPem;
      workspace.write("client.next", issued[1].keyPem);
      renameSync(at("client.next"), at("client.key"));
      const pages = [
        "/certs",
        "/config_dump?include_eds",
        "/stats",
        "/stats/prometheus",
        "/clusters",
        "/listeners",
      ];
      const more = ["/server_info", "/runtime", "/memory", "/help", "/logging", "/clusters?format=json"];
      await Bun.sleep(1500); // it is read again within a second, and says so in the log alone
      let told = "";
      for (const page of [...pages, ...more]) told += await sidecar.get(page);
      sidecar.signal("SIGTERM");
      const { stdout, stderr } = await sidecar.ended();
      workspace.write("client.key", issued[3].keyPem);
      told += stdout + stderr;
      expect(stderr + stdout).toContain("client.key");
      expect(told).toContain("[redacted]");
      expect(known.length).toBeGreaterThan(100);
      for (const made of issued) for (const trace of traces(made)) expect(told.includes(trace)).toBe(false);
      expect(told).not.toContain("PRIVATE KEY");
    });
  },
);

/** The serial number that a server shows, lower case. */
function serialShown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      const { serialNumber } = client.getPeerCertificate();
      client.destroy();
      resolve(serialNumber.toLowerCase());
    });
    client.on("error", reject);
  });
}

describe.skipIf(envoyProgram === "")("beside Envoy", () => {
  test("/certs and the gauges are the same, but for what is better here", async () => {
    const [theirs] = await freePorts(1);
    const admin = at("envoy-admin");
    const file = workspace.write("envoy.json", bootstrap(theirs));
    const flags = ["--use-dynamic-base-id", "--concurrency", "1", "-l", "error"];
    const envoy: Program = startProgram(envoyProgram, ["-c", file, "--admin-address-path", admin, ...flags]);
    const [port] = await freePorts(1);
    const sidecar = new SidecarProcess(installedRuntimes[0], workspace, bootstrap(port));
    try {
      await untilListening(envoy, theirs);
      await sidecar.ready();
      const root = `http://${await Bun.file(admin).text()}`;
      const ask = async (path: string) => (await fetch(root + path)).text();
      const { certificates } = JSON.parse(await ask("/certs")) as { certificates: Context[] };
      const ours = (JSON.parse(await sidecar.get("/certs")) as { certificates: Context[] }).certificates;
      // Envoy has read delivered files into the secret, and says of all bundles that they came from the last one.
      const [delivered, files, bundles] = ours;
      const inline = (list: readonly Details[]) => list.map((each) => ({ ...each, path: "<inline>" }));
      const last = bundles.ca_cert[1].path;
      const asTheirs = [
        { ca_cert: inline(delivered.ca_cert), cert_chain: inline(delivered.cert_chain) },
        files,
        { ...bundles, ca_cert: bundles.ca_cert.map((each) => ({ ...each, path: last })) },
      ];
      expect(sorted(certificates)).toEqual(sorted(asTheirs));
      const gauges = (text: string, own: number) =>
        text
          .replaceAll(`_${own}.`, "_port.")
          .split("\n")
          .filter((line) => /expiration_unix|days_until_first/.test(line))
          .sort();
      const query = "/stats?filter=cert";
      expect(gauges(await sidecar.get(query), port)).toEqual(gauges(await ask(query), theirs));
    } finally {
      await sidecar.kill();
      await envoy.stop();
    }
  }, 30_000);
});
