/**
 * go-spiffe as the peer of real sidecars, as client and as server, on each runtime: it accepts our X.509-SVIDs, we accept
 * its; and each side refuses what it has to refuse, with our counters saying why.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  anyHost,
  bootstrap,
  httpListener,
  staticCluster,
  upstreamHttp2,
  type YamlMap,
} from "../support/bootstrap.ts";
import { rootCa } from "../support/certificates.ts";
import { freePorts, type Program } from "../support/child-process.ts";
import { BUILD_PATIENCE } from "../support/go-program.ts";
import { type OurProxy, RUNTIMES, startTulle } from "../support/our-proxy.ts";
import { eventually } from "../support/sidecar-process.ts";
import { type SpiffePeer, SpiffePeers } from "../support/spiffe-peer.ts";

const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
const peers = new SpiffePeers();
if (peers.missing !== "") console.log(`go-spiffe as a peer: skipped: ${peers.missing}`);

/** Whom we are, whom we accept, and somebody else of our domain. */
const OURS = "spiffe://mesh.test/ns/tea/sa/sidecar";
const KNOWN = "spiffe://mesh.test/ns/tea/sa/known";
const STRANGER = "spiffe://mesh.test/ns/tea/sa/stranger";
const FOREIGN = "spiffe://other.test/ns/tea/sa/known";

/** Each good in all respects but the one that a test is about. */
const GO: SpiffePeer = { svid: "known", trusts: { "mesh.test": "ca" }, accepts: OURS };

beforeAll(async () => {
  if (peers.missing !== "") return;
  const valid = { from: Date.now() - 86_400_000, until: Date.now() + 86_400_000 };
  const ca = await rootCa("CN=mesh", valid);
  const other = await rootCa("CN=other", valid);
  await peers.keep("ca", ca);
  await peers.keep("other", other);
  await peers.issue("ours", ca, OURS);
  await peers.issue("known", ca, KNOWN);
  await peers.issue("stranger", ca, STRANGER);
  await peers.issue("expired", ca, KNOWN, { expired: true });
  await peers.issue("foreign", other, FOREIGN);
  await peers.issue("forged", other, KNOWN); // our domain's name, another one's signature
}, BUILD_PATIENCE);
afterAll(() => peers.remove());

/** What both of our sides show and accept. */
function common(): YamlMap {
  return {
    tls_params: { tls_maximum_protocol_version: "TLSv1_3" },
    tls_certificates: [
      {
        certificate_chain: { filename: peers.file("ours.pem") },
        private_key: { filename: peers.file("ours.key") },
      },
    ],
    validation_context: {
      match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: KNOWN } }],
      custom_validator_config: {
        name: "envoy.tls.cert_validator.spiffe",
        typed_config: {
          "@type": `${TLS}.SPIFFECertValidatorConfig`,
          trust_domains: [{ name: "mesh.test", trust_bundle: { filename: peers.file("ca.pem") } }],
        },
      },
    },
  };
}

const socket = (type: string, context: YamlMap): YamlMap => ({
  transport_socket: {
    name: "envoy.transport_sockets.tls",
    typed_config: { "@type": `${TLS}.${type}`, ...context },
  },
});

describe.each(peers.missing === "" ? RUNTIMES : [])("go-spiffe and %s", (runtime) => {
  let sidecar: OurProxy;
  let [outer, inner, admin] = [0, 0, 0];
  const servers: {
    readonly [name: string]: { readonly peer: SpiffePeer; port: number; program: Program | null };
  } = {
    good: { peer: GO, port: 0, program: null },
    stranger: { peer: { ...GO, svid: "stranger" }, port: 0, program: null },
    foreign: { peer: { ...GO, svid: "foreign" }, port: 0, program: null },
    forged: { peer: { ...GO, svid: "forged" }, port: 0, program: null },
    expired: { peer: { ...GO, svid: "expired" }, port: 0, program: null },
    choosy: { peer: { ...GO, accepts: KNOWN }, port: 0, program: null },
    distant: { peer: { ...GO, trusts: { "other.test": "other" } }, port: 0, program: null },
    later: { peer: { ...GO, ahead: 2 }, port: 0, program: null },
  };

  /** One of our numbers. */
  const stat = async (name: string) => {
    const answer = await fetch(`http://127.0.0.1:${admin}/stats?filter=^${name.replaceAll(".", "\\.")}$`);
    return Number((await answer.text()).split(": ")[1] ?? 0);
  };
  /** Runs something, and says by how much each of these numbers has grown; for as long as it takes the last to do so. */
  const grown = async (names: readonly string[], run: () => Promise<unknown>) => {
    const all = () => Promise.all(names.map(stat));
    const before = await all();
    await run();
    let changes: number[] = [];
    for (const end = performance.now() + 5000; performance.now() < end; await Bun.sleep(10)) {
      changes = (await all()).map((value, index) => value - before[index]);
      if ((changes.at(-1) as number) > 0) break;
    }
    return changes;
  };

  beforeAll(async () => {
    const named = Object.entries(servers);
    const [a, b, c, ...ports] = await freePorts(3 + named.length);
    [outer, inner, admin] = [a, b, c];
    const clusters: YamlMap[] = [];
    for (const [index, [name, server]] of named.entries()) {
      server.port = ports[index];
      server.program = await peers.serve(server.port, server.peer);
      clusters.push(
        staticCluster(name, [server.port], socket("UpstreamTlsContext", { common_tls_context: common() })),
      );
    }
    const http2 = { ...common(), alpn_protocols: ["h2"] };
    clusters.push(
      staticCluster("good2", [servers.good.port], {
        ...upstreamHttp2(),
        ...socket("UpstreamTlsContext", { common_tls_context: http2 }),
      }),
    );
    const routes = clusters.map(({ name }) => ({ match: { path: `/${name}` }, route: { cluster: name } }));
    const inbound = httpListener("in", outer, {
      route_config: anyHost("in", [
        { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "welcome" } } },
      ]),
    }) as { filter_chains: YamlMap[] };
    const secured = {
      ...inbound.filter_chains[0],
      ...socket("DownstreamTlsContext", {
        require_client_certificate: true,
        common_tls_context: { ...common(), alpn_protocols: ["h2", "http/1.1"] },
      }),
    };
    const file = bootstrap(
      [
        { ...inbound, filter_chains: [secured] } as YamlMap,
        httpListener("out", inner, { route_config: anyHost("out", routes as YamlMap[]) }),
      ],
      clusters,
      admin,
    );
    sidecar = await startTulle(file, inner, runtime);
  }, 60_000);

  afterAll(async () => {
    await sidecar?.stop();
    for (const { program } of Object.values(servers)) await program?.stop();
  });

  describe("as a client", () => {
    const ask = (change: Partial<SpiffePeer> = {}) => peers.ask(outer, { ...GO, ...change });
    const counter = (name: string) => `listener.127.0.0.1_${outer}.ssl.${name}`;

    test.each([
      ["HTTP/1.1", false],
      ["HTTP/2.0", true],
    ])("is let in over %s, and has seen who we are", async (version, http2) => {
      let said = "";
      const [handshakes] = await grown([counter("handshake")], async () => {
        said = await ask({ http2 });
      });
      expect(said).toBe(`${version} 200 by ${OURS}: welcome`);
      expect(handshakes).toBe(1);
    });

    test.each([
      ["of another name", { svid: "stranger" }, "fail_verify_san"],
      ["of another trust domain", { svid: "foreign" }, "fail_verify_error"],
      ["of our trust domain, which another one's CA has signed", { svid: "forged" }, "fail_verify_error"],
      ["that has expired", { svid: "expired" }, "fail_verify_error"],
    ] as const)("with an SVID %s is refused", async (_title, change, reason) => {
      let said = "";
      const failures = await grown([counter("connection_error"), counter(reason)], async () => {
        said = await ask(change);
      });
      expect(said).toContain("refused: ");
      expect(failures).toEqual([0, 1]);
      expect(await stat("http.in.downstream_cx_total")).toBe(await stat("http.in.downstream_rq_total"));
    });

    test.each([
      ["another name", { accepts: KNOWN }, `unexpected ID "${OURS}"`],
      ["another trust domain", { trusts: { "other.test": "other" } }, "could not get X509 bundle"],
      ["a time at which our SVID has expired", { ahead: 2 }, "expired"],
    ] as const)("that expects %s refuses us", async (_title, change, why) => {
      let said = "";
      const [failures] = await grown([counter("connection_error")], async () => {
        said = await ask(change);
      });
      expect(said).toContain("refused: ");
      expect(said).toContain(why);
      expect(failures).toBe(1);
    });
  });

  describe("as a server", () => {
    const get = async (name: string) => {
      const answer = await fetch(`http://127.0.0.1:${inner}/${name}`);
      return `${answer.status} ${await answer.text()}`;
    };

    /** What a server has said, once it has said that. */
    const saying = (name: string, what: string) => {
      const said = async () => servers[name].program?.output() ?? "";
      return eventually(said, (output) => output.includes(what));
    };

    test.each([
      ["HTTP/1.1", "good"],
      ["HTTP/2.0", "good2"],
    ])("is trusted over %s, and has seen who we are", async (version, name) => {
      expect(await get(name)).toBe(`200 ${version} from ${OURS}`);
      expect(await stat(`cluster.${name}.ssl.handshake`)).toBe(1);
    });

    test.each([
      ["of another name", "stranger", "fail_verify_san"],
      ["of another trust domain", "foreign", "fail_verify_error"],
      ["of our trust domain, which another one's CA has signed", "forged", "fail_verify_error"],
      ["that has expired", "expired", "fail_verify_error"],
    ])("with an SVID %s is refused", async (_title, name, reason) => {
      expect(await get(name)).toStartWith("503 ");
      expect(await stat(`cluster.${name}.ssl.${reason}`)).toBe(1);
      expect(await stat(`cluster.${name}.ssl.connection_error`)).toBe(0);
      expect(await saying(name, "TLS handshake error")).toContain("TLS handshake error");
    });

    test.each([
      ["another name", "choosy", "unexpected ID"],
      ["another trust domain", "distant", "could not get X509 bundle"],
      ["a time at which our SVID has expired", "later", "expired"],
    ])("that expects %s refuses us", async (_title, name, why) => {
      expect(await get(name)).toStartWith("503 ");
      expect(await saying(name, why)).toContain(why);
      // TLS 1.3: our side of the handshake was complete when the refusal came.
      expect(await stat(`cluster.${name}.ssl.connection_error`)).toBe(1);
    });
  });
});
