/**
 * Whom a listener lets in by its validation context: our verdict and real Envoy's, for every context with every
 * client. What is different is different on purpose and listed here.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as connectTls } from "node:tls";
import type { Json } from "../../../core/config/model.ts";
import { PeerJudge } from "../../../core/tls/peer-judge.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import {
  CLIENT,
  type Issued,
  leaf,
  revocationList,
  rootCa,
  SERVER,
  subCa,
  workload,
} from "../../support/certificates.ts";
import { freePorts } from "../../support/child-process.ts";
import { envoyProgram, type Rival, startEnvoy } from "../../support/rivals.ts";

const TYPE = "type.googleapis.com/envoy.extensions.";
const HOUR = 3_600_000;

const CLIENTS = [
  "sound",
  "through an intermediate",
  "intermediate not shown",
  "of another root",
  "expired",
  "not yet valid",
  "below an expired CA",
  "for servers only",
  "no SPIFFE ID",
  "of another trust domain",
  "two URIs",
  "a CA",
  "key usage not critical",
  "path of a trust domain",
] as const;
const CONTEXTS = [
  "a root",
  "an intermediate alone",
  "expired is allowed",
  "untrusted is accepted",
  "depth 1",
  "a list of the root",
  "lists of both",
  "a list of the intermediate, leaf only",
  "the sound one is revoked",
  "a name",
  "a prefix of names",
  "a hash",
  "a hash without a CA",
  "bundles by trust domain",
] as const;

let server: Issued;
const clients = new Map<string, readonly Issued[]>();
const contexts = new Map<string, object>();

beforeAll(async () => {
  const now = Date.now();
  const period = { from: now - HOUR, until: now + HOUR };
  const root = await rootCa("CN=root", { from: now - 9 * HOUR, until: now + 9 * HOUR });
  const other = await rootCa("CN=other", period);
  const middle = await subCa(root, "CN=middle", period);
  const oldMiddle = await subCa(root, "CN=old", { from: now - 3 * HOUR, until: now - HOUR });
  server = await workload(root, "spiffe://mesh.test/server", period);
  const at = (issuer: Issued, wish: object = {}, uri?: string) =>
    workload(issuer, uri, { ...period, ...wish });
  const sound = await at(root);
  const low = await at(middle);
  const made: { [name in (typeof CLIENTS)[number]]: readonly Issued[] } = {
    sound: [sound],
    "through an intermediate": [low, middle],
    "intermediate not shown": [low],
    "of another root": [await at(other), other],
    expired: [await at(root, { from: now - 3 * HOUR, until: now - HOUR })],
    "not yet valid": [await at(root, { from: now + HOUR, until: now + 3 * HOUR })],
    "below an expired CA": [await at(oldMiddle), oldMiddle],
    "for servers only": [await at(root, { purposes: [SERVER] })],
    "no SPIFFE ID": [await leaf(root, { ...period, dns: ["a.test"], purposes: [CLIENT] })],
    "of another trust domain": [await at(other, {}, "spiffe://other.test/a"), other],
    "two URIs": [
      await leaf(root, { ...period, uris: ["spiffe://mesh.test/ns/a/sa/b", "spiffe://mesh.test/c"] }),
    ],
    "a CA": [await at(root, { ca: true })],
    "key usage not critical": [await at(root, { usageCritical: false })],
    "path of a trust domain": [await at(root, {}, "spiffe://mesh.test")],
  };
  for (const [name, chain] of Object.entries(made)) clients.set(name, chain);

  const pem = (text: string) => ({ inline_string: text });
  const ca = { trusted_ca: pem(root.pem) };
  const list = { from: now - HOUR, until: now + HOUR };
  const ofRoot = await revocationList(root, ["0abc"], list);
  const ofMiddle = await revocationList(middle, ["0abc"], list);
  const revokes = await revocationList(root, [sound.certificate.serialNumber], list);
  const hash = Buffer.from(hostCryptography.sha256(sound.der)).toString("hex");
  const names = (matcher: object) => ({ match_typed_subject_alt_names: [{ san_type: "URI", matcher }] });
  const given: { [name in (typeof CONTEXTS)[number]]: object } = {
    "a root": ca,
    "an intermediate alone": { trusted_ca: pem(middle.pem) },
    "expired is allowed": { ...ca, allow_expired_certificate: true },
    "untrusted is accepted": { ...ca, trust_chain_verification: "ACCEPT_UNTRUSTED" },
    "depth 1": { ...ca, max_verify_depth: 1 },
    "a list of the root": { ...ca, crl: pem(ofRoot) },
    "lists of both": { ...ca, crl: pem(ofRoot + ofMiddle) },
    "a list of the intermediate, leaf only": { ...ca, crl: pem(ofMiddle), only_verify_leaf_cert_crl: true },
    "the sound one is revoked": { ...ca, crl: pem(revokes) },
    "a name": { ...ca, ...names({ exact: "spiffe://mesh.test/ns/a/sa/b" }) },
    "a prefix of names": { ...ca, ...names({ prefix: "spiffe://mesh.test/ns/" }) },
    "a hash": { ...ca, verify_certificate_hash: [hash] },
    "a hash without a CA": { verify_certificate_hash: [hash] },
    "bundles by trust domain": {
      custom_validator_config: {
        name: "envoy.tls.cert_validator.spiffe",
        typed_config: {
          "@type": `${TYPE}transport_sockets.tls.v3.SPIFFECertValidatorConfig`,
          trust_domains: [
            { name: "mesh.test", trust_bundle: pem(root.pem) },
            { name: "other.test", trust_bundle: pem(other.pem) },
          ],
        },
      },
    },
  };
  for (const [name, context] of Object.entries(given)) contexts.set(name, context);
});

function listener(name: string, port: number): Json {
  const tls = {
    require_client_certificate: true,
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { inline_string: server.pem }, private_key: { inline_string: server.keyPem } },
      ],
      validation_context: contexts.get(name),
    },
  };
  const manager = {
    "@type": `${TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "s",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }],
        },
      ],
    },
    http_filters: [{ name: "router", typed_config: { "@type": `${TYPE}filters.http.router.v3.Router` } }],
  };
  const context = { "@type": `${TYPE}transport_sockets.tls.v3.DownstreamTlsContext`, ...tls };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [
      {
        filters: [{ name: "http", typed_config: manager }],
        transport_socket: { name: "tls", typed_config: context },
      },
    ],
  } as never;
}

/** "ok" or our reason, by the configuration as it is read. */
function ours(context: string, client: string): string {
  const { bootstrap, faults } = readBootstrap({ static_resources: { listeners: [listener(context, 80)] } });
  expect(faults).toEqual([]);
  const validation = bootstrap?.listeners[0].model.filterChains[0].tls?.validation;
  const judge = new PeerJudge(validation as never, "client", hostCryptography);
  return (
    judge.judge(
      (clients.get(client) ?? []).map(({ der }) => der),
      Date.now(),
    ).fault ?? "ok"
  );
}

const installed = envoyProgram() !== "";
if (!installed) console.log("validation: Envoy is not installed (ENVOY_BIN or PATH): not compared with it");

describe.skipIf(!installed)("Envoy lets in whom we let in", () => {
  let ports: number[] = [];
  let envoy: Rival | null = null;

  beforeAll(async () => {
    ports = await freePorts(CONTEXTS.length);
    const listeners = CONTEXTS.map((name, i) => listener(name, ports[i]));
    envoy = await startEnvoy({ static_resources: { listeners } } as never, ports[0]);
  }, 30_000);
  afterAll(() => envoy?.stop());

  test.each(CONTEXTS.map((name) => [name]))("%s", async (context) => {
    const stricter: string[] = [];
    for (const client of CLIENTS) {
      const mine = ours(context, client);
      const theirs = await ask(ports[CONTEXTS.indexOf(context)], clients.get(client) ?? []);
      if (theirs && mine !== "ok") stricter.push(`${client}: ${mine}`);
      else expect([client, mine, mine === "ok"]).toEqual([client, mine, theirs]);
    }
    expect(stricter).toEqual([...(STRICTER[context] ?? SVID_RULES)]);
  });
});

/** Envoy knows these rules of X.509-SVID with its SPIFFE validator only, or not at all. */
const SVID_RULES = [
  "two URIs: several_uris",
  "a CA: leaf_is_ca",
  "key usage not critical: leaf_key_usage",
  "path of a trust domain: no_workload_path",
];
/** Where it is not just these: nobody of them is let in there at all, or everybody is. */
const STRICTER: { readonly [context: string]: readonly string[] } = {
  "an intermediate alone": [],
  "untrusted is accepted": [],
  "a list of the intermediate, leaf only": [],
  "a name": SVID_RULES.slice(0, 3),
  "a prefix of names": SVID_RULES.slice(0, 3),
  "a hash": [],
  "a hash without a CA": [],
  "bundles by trust domain": ["for servers only: wrong_purpose", SVID_RULES[0], SVID_RULES[2]],
};

/** True if there was an answer. */
function ask(port: number, chain: readonly Issued[]): Promise<boolean> {
  return new Promise((resolve) => {
    const cert = chain.map(({ pem }) => pem).join("");
    const socket = connectTls({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      cert,
      key: chain[0].keyPem,
    });
    socket.on("secureConnect", () => socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    socket.on("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(false));
  });
}
