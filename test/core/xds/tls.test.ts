/**
 * TLS in Envoy's configuration → the model: what is understood, what is refused and in which words, what becomes a
 * secret that is watched, and that no key comes out of it anywhere.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import type { Json, Listener } from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import type { Checks } from "../../../core/xds/checks.ts";
import { readInlineSecret, readResources } from "../../../core/xds/discovery.ts";
import { checkKeyPair } from "../../../runtime-adapters/key-pair.ts";
import { type Issued, NOW, revocationList, rootCa, workload } from "../../support/certificates.ts";
import { edited, PARTS } from "../../support/config-document.ts";

const URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.";
const INSPECTOR = "type.googleapis.com/envoy.extensions.filters.listener.";

let root: Issued;
let own: Issued;
let other: Issued;
let files: { [path: string]: string };

beforeAll(async () => {
  root = await rootCa();
  own = await workload(root);
  other = await workload(root);
  files = { "/cert.pem": own.pem, "/key.pem": own.keyPem, "/ca.pem": root.pem, "/empty": "" };
});

const checks: Checks = {
  readFile: (path) => files[path] ?? null,
  readEnvironment: (name) => (name === "KEY" ? own.keyPem : null),
  now: () => NOW,
  checkKeyPair,
};

const downstream = (fields: object) => ({
  name: "tls",
  typed_config: { "@type": `${URL}DownstreamTlsContext`, ...fields },
});
const upstream = (fields: object) => ({
  name: "tls",
  typed_config: { "@type": `${URL}UpstreamTlsContext`, ...fields },
});
/** A server's context with a sound certificate, and `common` in it. */
const server = (common: object = {}, fields: object = {}) =>
  downstream({ common_tls_context: { tls_certificates: [inline()], ...common }, ...fields });
const client = (common: object = {}, fields: object = {}) =>
  upstream({ common_tls_context: common, ...fields });
const inline = (certificate = own.pem, key = own.keyPem) => ({
  certificate_chain: { inline_string: certificate },
  private_key: { inline_string: key },
});

function read(part: "chain" | "cluster" | "listener", edit: object) {
  return readBootstrap(edited(part, JSON.stringify(edit)), checks);
}

function sound(part: "chain" | "cluster" | "listener", edit: object) {
  const { bootstrap, faults } = read(part, edit);
  expect(faults).toEqual([]);
  if (bootstrap === null) throw new Error("refused");
  return { listener: bootstrap.listeners[0], cluster: bootstrap.clusters[0] };
}

/** "path below the transport socket: message". */
function faultsOf(socket: object): string[] {
  const part = JSON.stringify(socket).includes("UpstreamTlsContext") ? "cluster" : "chain";
  const base = `${PARTS[part]}.transport_socket`;
  return read(part, { transport_socket: socket }).faults.map(
    ({ path, message }) => `${path.slice(base.length)}: ${message}`,
  );
}

describe("a server's context", () => {
  test("with everything in the document itself", () => {
    const common = {
      tls_params: {
        tls_minimum_protocol_version: "TLSv1_2",
        tls_maximum_protocol_version: "TLSv1_3",
        cipher_suites: ["[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-RSA-AES128-GCM-SHA256]", "AES256-SHA"],
        ecdh_curves: ["X25519", "P-256"],
        signature_algorithms: ["ed25519"],
      },
      alpn_protocols: ["h2", "http/1.1"],
      validation_context: {
        trusted_ca: { inline_string: root.pem },
        match_typed_subject_alt_names: [{ san_type: "URI", matcher: { prefix: "spiffe://mesh.test/" } }],
        verify_certificate_hash: [`${"AB:".repeat(31)}AB`],
        max_verify_depth: 3,
      },
    };
    const { listener } = sound("chain", {
      transport_socket: server(common, {
        require_client_certificate: true,
        require_sni: true,
        disable_stateless_session_resumption: true,
        disable_stateful_session_resumption: true,
        session_timeout: "60s",
      }),
      transport_socket_connect_timeout: "3s",
    });
    const [chain] = listener.model.filterChains;
    expect(chain.handshakeTimeout).toBe(3000);
    expect(chain.tls).toEqual({
      parameters: {
        minVersion: "TLSv1.2",
        maxVersion: "TLSv1.3",
        cipherSuites: ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA"],
        curves: ["X25519", "P-256"],
        signatureAlgorithms: ["ed25519"],
      },
      certificates: [{ chain: own.pem, privateKey: own.keyPem, password: "" }],
      certificateSecrets: [],
      alpn: ["h2", "http/1.1"],
      validation: {
        trustedCa: root.pem,
        trustDomains: null,
        names: [
          { type: "URI", oid: "", match: { kind: "prefix", text: "spiffe://mesh.test/", ignoreCase: false } },
        ],
        certificateHashes: ["ab".repeat(32)],
        publicKeyHashes: [],
        crl: "",
        crlOfLeafOnly: false,
        allowExpired: false,
        acceptUntrusted: false,
        maxDepth: 3,
      },
      validationSecret: "",
      requireClientCertificate: true,
      requireSni: true,
      sessionTickets: false,
      sessionTimeout: 60_000,
    });
    expect(listener.wants).toEqual([]);
  });

  test("with Envoy's defaults", () => {
    const tls = sound("chain", { transport_socket: server() }).listener.model.filterChains[0].tls;
    expect(tls).toMatchObject({
      parameters: { minVersion: "TLSv1.2", maxVersion: "TLSv1.3", cipherSuites: [] },
      alpn: [],
      validation: null,
      validationSecret: "",
      requireClientCertificate: false,
      sessionTickets: true,
    });
  });

  test("with an encrypted key, or one from the environment", () => {
    const fromEnvironment = { ...inline(), private_key: { environment_variable: "KEY" } };
    expect(faultsOf(server({ tls_certificates: [fromEnvironment] }))).toEqual([]);
  });

  test("in plain text, said or not", () => {
    const raw = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    for (const socket of [
      undefined,
      { name: "x", typed_config: { "@type": raw } },
      { name: "envoy.transport_sockets.raw_buffer" },
    ])
      expect(
        sound("chain", { transport_socket: socket ?? null }).listener.model.filterChains[0].tls,
      ).toBeUndefined();
  });
});

describe("a client's context", () => {
  test("with Envoy's defaults: TLS 1.2, nobody is verified", () => {
    expect(sound("cluster", { transport_socket: upstream({}) }).cluster.model.tls).toEqual({
      parameters: {
        minVersion: "TLSv1.2",
        maxVersion: "TLSv1.2",
        cipherSuites: [],
        curves: [],
        signatureAlgorithms: [],
      },
      certificates: [],
      certificateSecrets: [],
      alpn: [],
      validation: null,
      validationSecret: "",
      sni: "",
      maxSessionKeys: 1,
    });
  });

  test("with a name, a certificate and whom to trust", () => {
    const trust = {
      validation_context: { trusted_ca: { inline_string: root.pem } },
      alpn_protocols: ["istio"],
    };
    const socket = client(
      { tls_certificates: [inline()], ...trust },
      { sni: "outbound_.80_._.a.b", max_session_keys: 0 },
    );
    expect(sound("cluster", { transport_socket: socket }).cluster.model.tls).toMatchObject({
      sni: "outbound_.80_._.a.b",
      maxSessionKeys: 0,
      certificates: [{ chain: own.pem }],
      validation: { trustedCa: root.pem },
    });
  });
});

describe("what becomes a secret", () => {
  const sds = (name: string, path = "/sds.yaml") => ({ name, sds_config: { path_config_source: { path } } });

  test("what SDS delivers, from a file", () => {
    const common = {
      tls_certificates: [],
      tls_certificate_sds_secret_configs: [sds("default")],
      validation_context_sds_secret_config: sds("ROOTCA", "/ca.yaml"),
    };
    const { listener } = sound("chain", { transport_socket: server(common) });
    expect(listener.model.filterChains[0].tls).toMatchObject({
      certificates: [],
      certificateSecrets: ["default@/sds.yaml"],
      validation: null,
      validationSecret: "ROOTCA@/ca.yaml",
    });
    expect(listener.wants).toEqual([
      { kind: "SDS", name: "default", path: "/sds.yaml", initialFetchTimeout: 15_000, inline: null },
      { kind: "SDS", name: "ROOTCA", path: "/ca.yaml", initialFetchTimeout: 15_000, inline: null },
    ]);
  });

  test("what completes a context of its own", () => {
    const names = {
      match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: "spiffe://a/b" } }],
    };
    const combined = {
      default_validation_context: names,
      validation_context_sds_secret_config: sds("ROOTCA"),
    };
    const { cluster } = sound("cluster", {
      transport_socket: client({ combined_validation_context: combined }),
    });
    expect(cluster.model.tls).toMatchObject({
      validation: { trustedCa: "", names: [{ type: "URI" }] },
      validationSecret: "ROOTCA@/sds.yaml",
    });
  });

  test("what files are named by what is completed, so that they are watched", () => {
    const combined = {
      default_validation_context: { trusted_ca: { filename: "/ca.pem" } },
      validation_context_sds_secret_config: sds("ROOTCA"),
    };
    const { cluster } = sound("cluster", {
      transport_socket: client({ combined_validation_context: combined }),
    });
    const { tls } = cluster.model;
    expect(tls).toMatchObject({ validation: null, validationSecret: "ROOTCA@/sds.yaml" });
    expect(tls?.ownValidationSecret).toMatch(/^validation_context:[0-9a-f]{16}$/);
    expect(cluster.wants.map(({ kind, name }) => [kind, name])).toEqual([
      ["SDS", "ROOTCA"],
      ["SDS", tls?.ownValidationSecret ?? ""],
    ]);
  });

  test("what files are named by a context, so that they are watched; its name depends on which", () => {
    const certificate = {
      certificate_chain: { filename: "/cert.pem" },
      private_key: { filename: "/key.pem" },
    };
    const common = {
      tls_certificates: [certificate],
      validation_context: { trusted_ca: { filename: "/ca.pem" } },
    };
    const { listener } = sound("chain", { transport_socket: server(common) });
    const { tls } = listener.model.filterChains[0];
    expect(tls?.certificates).toEqual([]);
    const secret = tls?.certificateSecrets[0] ?? "";
    expect(secret).toMatch(/^tls_certificate:[0-9a-f]{16}$/);
    expect(tls?.validationSecret).toMatch(/^validation_context:[0-9a-f]{16}$/);
    expect(listener.wants.map(({ kind, name, path }) => [kind, name, path])).toEqual([
      ["SDS", secret, ""],
      ["SDS", tls?.validationSecret ?? "", ""],
    ]);
    const again = sound("chain", { transport_socket: server(common) }).listener;
    expect(again.model.filterChains[0].tls?.certificateSecrets).toEqual([secret]);
    files["/other-key.pem"] = own.keyPem;
    const moved = { ...certificate, private_key: { filename: "/other-key.pem" } };
    const elsewhere = sound("chain", { transport_socket: server({ tls_certificates: [moved] }) }).listener;
    expect(elsewhere.model.filterChains[0].tls?.certificateSecrets).not.toEqual([secret]);

    // It can be read again on its own, and its version is that of the content.
    const [want] = listener.wants;
    if (want.kind !== "SDS" || want.inline === null) throw new Error("no inline secret");
    const first = readInlineSecret(want.name, want.inline, checks);
    expect(first.faults).toEqual([]);
    expect(first.resource?.model.certificate).toEqual({
      chainFile: "/cert.pem",
      chain: own.pem,
      privateKey: own.keyPem,
      password: "",
    });
    const rotated: Checks = {
      ...checks,
      readFile: (path) => (path === "/cert.pem" ? other.pem : other.keyPem),
    };
    const second = readInlineSecret(want.name, want.inline, rotated);
    expect(second.resource?.version).not.toBe(first.resource?.version);
    // Half-way through a rotation nothing fits, and what is in force stays.
    const halfway: Checks = {
      ...checks,
      readFile: (path) => (path === "/cert.pem" ? other.pem : own.keyPem),
    };
    expect(readInlineSecret(want.name, want.inline, halfway)).toEqual({
      resource: null,
      faults: [{ path: "tls_certificate.private_key", message: "is not the key of the certificate" }],
    });
  });

  test("as it is delivered", () => {
    const resources = [
      { "@type": `${URL}Secret`, name: "default", tls_certificate: inline() },
      {
        "@type": `${URL}Secret`,
        name: "ROOTCA",
        validation_context: { trusted_ca: { filename: "/ca.pem" } },
      },
      { "@type": `${URL}Secret`, name: "wrong", tls_certificate: inline(own.pem, other.keyPem) },
      { "@type": `${URL}Secret`, name: "generic", generic_secret: { secret: { inline_string: "x" } } },
      { "@type": `${URL}Secret`, name: "nothing" },
    ];
    const update = readResources("SDS", { version_info: "1", resources } as never, checks);
    expect(update.resources.map(({ name }) => name)).toEqual(["default", "ROOTCA"]);
    expect(update.resources[1].model.validation?.trustedCa).toBe(root.pem);
    expect(
      update.rejected.map(({ name, faults }) => [
        name,
        ...faults.map(({ path, message }) => `${path}: ${message}`),
      ]),
    ).toEqual([
      ["wrong", "resources[2].tls_certificate.private_key: is not the key of the certificate"],
      ["generic", "resources[3].generic_secret: not implemented yet: generic_secret"],
      ["nothing", "resources[4]: one of tls_certificate, validation_context must be set"],
    ]);
  });
});

describe("faults", () => {
  const COMMON = ".typed_config.common_tls_context";
  const CERTIFICATE = `${COMMON}.tls_certificates[0]`;
  const VALIDATION = `${COMMON}.validation_context`;
  const certificate = (fields: object) => server({ tls_certificates: [{ ...inline(), ...fields }] });
  const validation = (fields: object) => client({ validation_context: fields });
  const trusting = (fields: object) => validation({ trusted_ca: { inline_string: root.pem }, ...fields });

  const rows: [string, () => object, ...string[]][] = [
    [
      "no certificate",
      () => downstream({}),
      ".typed_config.common_tls_context: a server must have a certificate",
    ],
    ["no key", () => certificate({ private_key: null }), `${CERTIFICATE}.private_key: must be set`],
    [
      "no chain",
      () => certificate({ certificate_chain: null }),
      `${CERTIFICATE}.certificate_chain: must be set`,
    ],
    [
      "another's key",
      () => certificate({ private_key: { inline_string: other.keyPem } }),
      `${CERTIFICATE}.private_key: is not the key of the certificate`,
    ],
    [
      "no PEM",
      () => certificate({ certificate_chain: { inline_string: "x" } }),
      `${CERTIFICATE}.certificate_chain: has no PEM "CERTIFICATE"`,
    ],
    [
      "a key that is none",
      () => certificate({ private_key: { inline_string: "secret!" } }),
      `${CERTIFICATE}.private_key: is no private key`,
    ],
    [
      "a certificate in pieces",
      () => certificate({ certificate_chain: { inline_string: own.pem.replace(/\n.{20}/, "\n") } }),
      `${CERTIFICATE}.certificate_chain: certificate 1 has tag 16 where 48 belongs`,
    ],
    [
      "a file that is not there",
      () => certificate({ private_key: { filename: "/none" } }),
      `${CERTIFICATE}.private_key.filename: cannot be read: /none`,
    ],
    [
      "a file that is empty",
      () => certificate({ certificate_chain: { filename: "/empty" } }),
      `${CERTIFICATE}.certificate_chain: is empty`,
    ],
    [
      "PKCS12",
      () => certificate({ pkcs12: { inline_string: "x" } }),
      `${CERTIFICATE}.pkcs12: not implemented yet: pkcs12`,
    ],
    [
      "OCSP",
      () => certificate({ ocsp_staple: { inline_string: "x" } }),
      `${CERTIFICATE}.ocsp_staple: not implemented yet: ocsp_staple`,
    ],
    [
      "an OCSP policy",
      () => server({}, { ocsp_staple_policy: "MUST_STAPLE" }),
      ".typed_config.ocsp_staple_policy: not implemented yet: MUST_STAPLE",
    ],
    [
      "ticket keys",
      () => server({}, { session_ticket_keys: { keys: [{ inline_string: "k" }] } }),
      ".typed_config.session_ticket_keys: not implemented yet: session_ticket_keys",
    ],
    [
      "key logs",
      () => server({ key_log: { path: "/x" } }),
      `${COMMON}.key_log: not implemented yet: key_log`,
    ],
    [
      "TLS 1.1",
      () => server({ tls_params: { tls_minimum_protocol_version: "TLSv1_1" } }),
      `${COMMON}.tls_params.tls_minimum_protocol_version: not implemented yet: TLSv1_1`,
    ],
    [
      "versions the wrong way round",
      () => client({ tls_params: { tls_minimum_protocol_version: "TLSv1_3" } }),
      `${COMMON}.tls_params.tls_minimum_protocol_version: is above the newest version that is allowed, TLSv1.2`,
    ],
    [
      "an unknown curve",
      () => server({ tls_params: { ecdh_curves: ["P-1"] } }),
      `${COMMON}.tls_params.ecdh_curves[0]: is not known: "P-1"; known are X25519, P-256, P-384, P-521`,
    ],
    [
      "an empty protocol",
      () => server({ alpn_protocols: ["h2", ""] }),
      `${COMMON}.alpn_protocols[1]: must have 1 to 255 bytes`,
    ],
    [
      "two certificates of a client",
      () => client({ tls_certificates: [inline(), inline()] }),
      ".typed_config.common_tls_context: a client can have one certificate only",
    ],
    [
      "renegotiation",
      () => client({}, { allow_renegotiation: true }),
      ".typed_config.allow_renegotiation: not implemented yet: allow_renegotiation",
    ],
    [
      "the other side's context",
      () => ({
        name: "tls",
        typed_config: { "@type": `${URL}DownstreamTlsContext`, upstream: "UpstreamTlsContext" },
      }),
      ".typed_config.upstream: unknown field",
      ".typed_config.@type: must be type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    ],
    [
      "another socket",
      () => ({ name: "x", typed_config: { "@type": "type.googleapis.com/x.Alts" } }),
      ": not implemented yet: transport_socket (x.Alts)",
    ],
    [
      "a secret of the bootstrap",
      () => server({ tls_certificates: [], tls_certificate_sds_secret_configs: [{ name: "a" }] }),
      `${COMMON}.tls_certificate_sds_secret_configs[0].sds_config: not implemented yet: secrets of the bootstrap (sds_config is not set)`,
    ],
    [
      "names without a CA",
      () => validation({ match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "a" } }] }),
      `${VALIDATION}.match_typed_subject_alt_names: needs trusted_ca: anyone can make a certificate of any name`,
    ],
    [
      "expired without a CA",
      () => validation({ allow_expired_certificate: true }),
      `${VALIDATION}.allow_expired_certificate: needs trusted_ca: without it times are not looked at`,
    ],
    [
      "a CA that is none",
      () =>
        validation({
          trusted_ca: { inline_string: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
        }),
      `${VALIDATION}.trusted_ca: certificate 1 has tag 0 where 48 belongs`,
    ],
    [
      "an empty CA",
      () => validation({ trusted_ca: { inline_string: "" } }),
      `${VALIDATION}.trusted_ca: is empty`,
    ],
    [
      "a list that is none",
      () => trusting({ crl: { inline_string: "x" } }),
      `${VALIDATION}.crl: has no PEM "X509 CRL"`,
    ],
    [
      "a hash that is none",
      () => trusting({ verify_certificate_hash: ["z".repeat(64)] }),
      `${VALIDATION}.verify_certificate_hash[0]: is no SHA-256 in hexadecimal`,
    ],
    [
      "a key's hash that is none",
      () => trusting({ verify_certificate_spki: ["!".repeat(44)] }),
      `${VALIDATION}.verify_certificate_spki[0]: is no SHA-256 in Base64`,
    ],
    [
      "an other name without a kind",
      () =>
        trusting({ match_typed_subject_alt_names: [{ san_type: "OTHER_NAME", matcher: { exact: "a" } }] }),
      `${VALIDATION}.match_typed_subject_alt_names[0].oid: must be an object identifier`,
    ],
    [
      "system roots",
      () => validation({ system_root_certs: {} }),
      `${VALIDATION}.system_root_certs: not implemented yet: system_root_certs`,
    ],
    [
      "transparency",
      () => trusting({ require_signed_certificate_timestamp: true }),
      `${VALIDATION}.require_signed_certificate_timestamp: not implemented yet: require_signed_certificate_timestamp`,
    ],
  ];
  test.each(rows)("%s", (_, socket, ...faults) => {
    expect(faultsOf(socket())).toEqual(faults);
  });

  test("an expired certificate", async () => {
    const old = await workload(root, undefined, { until: NOW - 1000 });
    expect(faultsOf(server({ tls_certificates: [inline(old.pem, old.keyPem)] }))).toEqual([
      `${CERTIFICATE}.certificate_chain: has expired: 2026-11-22T11:59:59.000Z`,
    ]);
  });

  test("the SPIFFE validator: bundles by trust domain, and nothing else in its place", async () => {
    const spiffe = (trust_domains: object[]) =>
      validation({
        custom_validator_config: {
          name: "envoy.tls.cert_validator.spiffe",
          typed_config: { "@type": `${URL}SPIFFECertValidatorConfig`, trust_domains },
        },
      });
    const bundle = { inline_string: root.pem };
    const good = spiffe([{ name: "mesh.test", trust_bundle: bundle }]);
    expect(sound("cluster", { transport_socket: good }).cluster.model.tls?.validation?.trustDomains).toEqual([
      { name: "mesh.test", bundle: root.pem },
    ]);
    const AT = `${VALIDATION}.custom_validator_config.typed_config`;
    expect(
      faultsOf(
        spiffe([
          { name: "A.test", trust_bundle: bundle },
          { name: "b", trust_bundle: bundle },
          { name: "b" },
        ]),
      ),
    ).toEqual([
      `${AT}.trust_domains[0].name: is no trust domain: lower-case letters, digits, '.', '-' and '_'`,
      `${AT}.trust_domains[2].name: is given twice`,
      `${AT}.trust_domains[2].trust_bundle: must be set`,
    ]);
    const other = {
      custom_validator_config: { name: "x", typed_config: { "@type": "type.googleapis.com/x.Y" } },
    };
    expect(faultsOf(validation(other))).toEqual([`${AT}.@type: not implemented yet: x.Y`]);
  });

  test("a list of revoked certificates is read", async () => {
    const crl = await revocationList(root, ["01"]);
    expect(faultsOf(trusting({ crl: { inline_string: crl }, only_verify_leaf_cert_crl: true }))).toEqual([]);
  });
});

describe("listener filters", () => {
  const TLS = { name: "tls", typed_config: { "@type": `${INSPECTOR}tls_inspector.v3.TlsInspector` } };
  const HTTP = { name: "http", typed_config: { "@type": `${INSPECTOR}http_inspector.v3.HttpInspector` } };
  const filters = (edit: object) => sound("listener", edit).listener.model.filters;

  test("are the two inspectors, with a time that they may take", () => {
    expect(filters({})).toBeUndefined();
    expect(filters({ listener_filters: [TLS] })).toEqual({
      tlsInspector: true,
      httpInspector: false,
      timeout: 15_000,
      continueOnTimeout: false,
    });
    expect(
      filters({
        listener_filters: [TLS, HTTP],
        listener_filters_timeout: "0s",
        continue_on_listener_filters_timeout: true,
      }),
    ).toEqual({ tlsInspector: true, httpInspector: true, timeout: 0, continueOnTimeout: true });
  });

  test("are there if a chain asks for what only they can tell", () => {
    const asks = (match: object) =>
      (sound("chain", { filter_chain_match: match }).listener.model as Listener).filters?.tlsInspector ??
      false;
    expect(asks({ transport_protocol: "tls" })).toBe(true);
    expect(asks({ server_names: ["a.test"] })).toBe(true);
    expect(asks({ application_protocols: ["h2"] })).toBe(true);
    expect(asks({ transport_protocol: "raw_buffer", application_protocols: ["h2"] })).toBe(false);
    expect(asks({ destination_port: 1 })).toBe(false);
  });

  test("of other kinds, or with options that are not implemented, are refused", () => {
    const at = PARTS.listener;
    const refused = (filter: object) =>
      read("listener", { listener_filters: [filter] }).faults.map(
        ({ path, message }) => `${path.slice(at.length)}: ${message}`,
      );
    expect(
      refused({ name: "x", typed_config: { "@type": `${INSPECTOR}proxy_protocol.v3.ProxyProtocol` } }),
    ).toEqual([
      ".listener_filters[0]: not implemented yet: envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    ]);
    const ja3 = { ...TLS, typed_config: { ...TLS.typed_config, enable_ja3_fingerprinting: true } };
    expect(refused(ja3)).toEqual([
      ".listener_filters[0].typed_config.enable_ja3_fingerprinting: not implemented yet: enable_ja3_fingerprinting",
    ]);
    expect(refused({ ...TLS, filter_disabled: { any_match: true } })).toEqual([
      ".listener_filters[0].filter_disabled: not implemented yet: filter_disabled",
    ]);
  });
});

describe("no key comes out", () => {
  /** A piece of the key that stands in no other text. */
  const piece = () => own.keyPem.split("\n")[1].slice(10, 50);
  const BASE64 = (text: string) => Buffer.from(text, "latin1").toString("base64");

  test("of what /config_dump shows: as in Envoy it is [redacted]", () => {
    const password = "pass-phrase";
    const bytes = {
      certificate_chain: { inline_string: own.pem },
      private_key: { inline_bytes: BASE64(own.keyPem) },
    };
    const certificates = [{ ...inline(), password: { inline_string: password } }, bytes];
    const document = edited(
      "chain",
      JSON.stringify({ transport_socket: server({ tls_certificates: certificates }) }),
    );
    const { bootstrap, faults } = readBootstrap(document, checks);
    expect(faults).toEqual([]);
    const text = JSON.stringify([bootstrap?.source, bootstrap?.listeners.map(({ source }) => source)]);
    expect(text).toContain('"private_key":{"inline_string":"[redacted]"}');
    expect(text).toContain('"private_key":{"inline_bytes":"W3JlZGFjdGVkXQ=="}');
    expect(text).toContain('"password":{"inline_string":"[redacted]"}');
    for (const secret of [piece(), BASE64(own.keyPem).slice(60, 100), password])
      expect(text).not.toContain(secret);
    // What is public is shown.
    expect(text).toContain(own.pem.split("\n")[1]);
  });

  test("of a secret that was delivered", () => {
    const secret = { "@type": `${URL}Secret`, name: "default", tls_certificate: inline() };
    const [{ source }] = readResources("SDS", { resources: [secret] } as never, checks).resources;
    expect(JSON.stringify(source)).not.toContain(piece());
    expect(JSON.stringify(source)).toContain("[redacted]");
  });

  test("of any fault, whatever is wrong", () => {
    const key = own.keyPem;
    const broken: Json[] = [
      key,
      [key],
      { inline_string: [key] },
      { inline_string: { a: key } },
      { inline_bytes: key },
      { filenam: key },
      { inline_string: key, inline_bytes: BASE64(key) },
      { inline_string: `${key.slice(0, 60)}!${key.slice(60)}` },
      { inline_string: key.replace("END", "FIN") },
      { inline_string: key.slice(0, 100) },
      4711,
    ];
    for (const field of ["private_key", "password", "pkcs12"]) {
      for (const value of broken) {
        const faults = faultsOf(server({ tls_certificates: [{ ...inline(), [field]: value }] }));
        expect([field, value, faults.length > 0 || field === "password"]).toEqual([field, value, true]);
        const text = JSON.stringify(faults);
        for (const line of key.split("\n").slice(1, -2)) expect(text).not.toContain(line.slice(0, 40));
        expect(text).not.toContain("4711");
      }
    }
  });
});
