/**
 * The table before our own proxy, on each runtime, with the module as a filter: the answers are those of Envoy. Who has
 * an identity shows it by mutual TLS. What needs a token's claims is for the other tests.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { httpListener, ROUTER } from "../../support/bootstrap.ts";
import { findProgram, freePorts, temporaryFolder } from "../../support/child-process.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { type OurProxy, ROOT, RUNTIMES, startTulle } from "../../support/our-proxy.ts";
import { CertificateMaker, overBoth, send, wasmFilter } from "./envoy-lab.ts";
import { type Ask, CASES } from "./policy-table.ts";

const hasHost = existsSync(join(ROOT, "filters/wasm/plugin.ts"));
if (!hasHost) console.log("skipped: authz in our proxy: this tree has no host for WASM filters");

const hasOpenssl = findProgram("openssl") !== "";
if (!hasOpenssl) console.log("skipped: authz in our proxy, requests with a certificate: no openssl");

const playable = CASES.map(({ name, configuration, asks }) => ({
  name,
  configuration,
  asks: asks.filter(
    ({ hostOnly, request }) =>
      hostOnly !== true && request.claims === undefined && (hasOpenssl || request.peer === undefined),
  ),
})).filter(({ asks }) => asks.length > 0);

const blocks = { policies: [{ name: "p", rules: [{ from: [{ source: { ipBlocks: ["127.0.0.0/8"] } }] }] }] };

describe.skipIf(!hasHost).each([...RUNTIMES])("authz in our proxy on %s", (runtime) => {
  let proxy: OurProxy;
  let ports: number[];
  let certificates: CertificateMaker | null = null;
  const folder = temporaryFolder();

  beforeAll(async () => {
    const module = shippedFilter("authz");
    ports = await freePorts(playable.length + 1);
    const maker = hasOpenssl ? new CertificateMaker(folder.path) : null;
    certificates = maker;
    const passed = { status: 200, body: { inline_string: "passed" } };
    const configurations = [...playable.map(({ configuration }) => configuration), blocks];
    const listeners = configurations.map((configuration, i) => {
      const plain = httpListener(`l${i}`, ports[i], {
        normalize_path: true,
        http_filters: [wasmFilter(module, configuration), ROUTER],
        route_config: {
          virtual_hosts: [
            { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: passed }] },
          ],
        },
      });
      return maker === null ? plain : overBoth(plain, maker);
    });
    proxy = await startTulle({ static_resources: { listeners } }, ports[playable.length], runtime);
  }, 120_000);

  afterAll(async () => {
    await proxy?.stop();
    folder.remove();
  });

  const expectedOf = ({ denied }: Ask) =>
    denied === null ? { status: 200, body: "passed" } : { status: 403, body: "RBAC: access denied" };

  test.each(playable.map((one, i) => [one.name, i, one.asks] as const))("%s", async (_, i, asks) => {
    const answers = [];
    for (const { request } of asks) {
      const { status, body } = await send(
        ports[i],
        request,
        request.peer === undefined ? undefined : certificates?.of(request.peer),
      );
      answers.push({ request, answer: { status, body } });
    }
    expect(answers).toEqual(asks.map((ask) => ({ request: ask.request, answer: expectedOf(ask) })));
  });

  test("an address from X-Forwarded-For is not taken for the peer's", async () => {
    const forwarded = { headers: [["x-forwarded-for", "127.0.0.9"]] as [string, string][] };
    expect((await send(ports[playable.length], {})).status).toBe(200);
    expect((await send(ports[playable.length], forwarded)).status).toBe(403);
  });
});
