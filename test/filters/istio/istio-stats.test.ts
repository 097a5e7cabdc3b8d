/** Istio's metrics of a pair of proxies, as Prometheus reads them. */
import { describe, expect, test } from "bun:test";
import type { Json, Snapshot } from "../../../core/config/model.ts";
import { ALL_STATS, listStats } from "../../../core/telemetry/stat-list.ts";
import { renderPrometheus } from "../../../core/telemetry/stats-prometheus.ts";
import { MOST_HOSTS, MOST_SERIES } from "../../../filters/istio/istio-series.ts";
import { checkIstioStats, ISTIO_STATS } from "../../../filters/istio/istio-stats.ts";
import { get, type Story } from "../../support/engine-story.ts";
import { checkExposition } from "../../support/exposition.ts";
import { type Pair, pair, snapshots } from "../../support/tls-pair.ts";

const filter = (config: Json = {}): Pair => ({ filter: { typeName: ISTIO_STATS, config } });

const NODE: Json = {
  NAMESPACE: "shop",
  WORKLOAD_NAME: "cart-v2",
  CLUSTER_ID: "Kubernetes",
  LABELS: { app: "cart", version: "v2", "service.istio.io/canonical-revision": "r7" },
};

/** The page of a proxy's statistics, which a reader must be able to take. */
function page(s: Story): string {
  const text = renderPrometheus(listStats(s.proxy.stats.export(), ALL_STATS));
  expect(checkExposition(text)).toEqual([]);
  return text;
}

/** The series of a metric: their labels, and what was counted. */
function series(s: Story, metric: string): { labels: { [name: string]: string }; value: number }[] {
  return page(s)
    .split("\n")
    .filter((line) => line.startsWith(`${metric}{`))
    .map((line) => ({
      labels: Object.fromEntries(
        [...line.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
      ),
      value: Number(line.slice(line.lastIndexOf(" "))),
    }));
}

async function asked(setup: Pair, request = get()): Promise<Story> {
  const s = await pair(setup);
  s.client(request);
  s.advance(100);
  return s;
}

describe("a request over mutual TLS", () => {
  test("is counted by both sides, who know each other", async () => {
    const s = await asked({ ...filter(), metadata: NODE });
    const [inbound, outbound] = series(s, "istio_requests_total").sort((a, b) =>
      a.labels.reporter < b.labels.reporter ? -1 : 1,
    );
    const own = (side: "source" | "destination") => ({
      [`${side}_workload`]: "cart-v2",
      [`${side}_workload_namespace`]: "shop",
      [`${side}_canonical_service`]: "cart",
      [`${side}_canonical_revision`]: "r7",
      [`${side}_app`]: "cart",
      [`${side}_version`]: "v2",
      [`${side}_cluster`]: "Kubernetes",
    });
    const other = (side: "source" | "destination") => ({
      [`${side}_workload`]: "unknown",
      [`${side}_workload_namespace`]: "a",
      [`${side}_canonical_service`]: "unknown",
      [`${side}_canonical_revision`]: "unknown",
      [`${side}_app`]: "unknown",
      [`${side}_version`]: "unknown",
      [`${side}_cluster`]: "unknown",
    });
    const both = {
      source_principal: "spiffe://mesh.test/ns/a/sa/client",
      destination_principal: "spiffe://mesh.test/ns/a/sa/server",
      destination_service: "a.example",
      destination_service_name: "a.example",
      request_protocol: "http",
      response_code: "200",
      grpc_response_status: "",
      response_flags: "-",
    };
    expect(inbound).toEqual({
      value: 1,
      labels: {
        ...own("destination"),
        ...other("source"),
        ...both,
        reporter: "destination",
        destination_service_namespace: "shop",
        connection_security_policy: "mutual_tls",
      },
    });
    expect(outbound).toEqual({
      value: 1,
      labels: {
        ...own("source"),
        ...other("destination"),
        ...both,
        reporter: "source",
        destination_service_namespace: "a",
        connection_security_policy: "unknown",
      },
    });
    for (const metric of ["request_duration_milliseconds", "request_bytes", "response_bytes"])
      expect(series(s, `istio_${metric}_count`).map(({ value }) => value)).toEqual([1, 1]);
    expect(series(s, "istio_request_messages_total")).toEqual([]);
    s.expectNothingLeft();
  });

  test("nobody is believed who was not verified", async () => {
    const s = await asked({ ...filter(), down: { requireClientCertificate: false, validation: null } });
    const inbound = series(s, "istio_requests_total").find(({ labels }) => labels.reporter === "destination");
    expect(inbound?.labels).toMatchObject({
      source_principal: "unknown",
      destination_principal: "unknown",
      source_workload_namespace: "unknown",
      connection_security_policy: "none",
    });
    s.expectNothingLeft();
  });
});

test("a call of gRPC has its status and its messages", async () => {
  const answer =
    "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ncontent-length: 0\r\n\r\n";
  const message = "\0\0\0\0\x02hi";
  const s = await pair({
    ...filter(),
    answer: (peer) => {
      if (!peer.received.endsWith("hi")) return;
      peer.take();
      peer.send(answer);
    },
  });
  s.client(
    `POST /a.B/C HTTP/1.1\r\nhost: grpc.example:80\r\ncontent-type: application/grpc\r\ncontent-length: 14\r\n\r\n${message}${message}`,
  );
  s.advance(100);
  for (const { labels, value } of series(s, "istio_requests_total")) {
    expect(labels).toMatchObject({
      request_protocol: "grpc",
      grpc_response_status: "5",
      destination_service: "grpc.example",
    });
    expect(value).toBe(1);
  }
  expect(series(s, "istio_request_messages_total").map(({ value }) => value)).toEqual([2, 2]);
  expect(series(s, "istio_response_messages_total").map(({ value }) => value)).toEqual([0, 0]);
  s.expectNothingLeft();
});

test("a service that the control plane names is called by that name, and a failure has its flags", async () => {
  const services = [{ host: "cart.shop.svc", name: "cart", namespace: "shop" }];
  const s = await asked({
    ...filter(),
    cluster: { metadata: { istio: { services } } },
    down: { certificates: [], certificateSecrets: ["nowhere"] },
  });
  expect(series(s, "istio_requests_total").map(({ labels }) => labels)).toEqual([
    expect.objectContaining({
      destination_service: "cart.shop.svc",
      destination_service_name: "cart",
      destination_service_namespace: "shop",
      response_code: "503",
      response_flags: "UF",
    }),
  ]);
  s.expectNothingLeft();
});

describe("what is configured", () => {
  test("labels are left out, and metrics dropped", async () => {
    const metrics = [
      { tags_to_remove: ["destination_service"] },
      { name: "requests_total", tags_to_remove: ["response_flags"] },
      { name: "request_bytes", drop: true },
    ];
    const s = await asked(filter({ metrics }));
    const [{ labels }] = series(s, "istio_requests_total");
    expect("destination_service" in labels || "response_flags" in labels).toBe(false);
    const [{ labels: of }] = series(s, "istio_response_bytes_count");
    expect("destination_service" in of).toBe(false);
    expect("response_flags" in of).toBe(true);
    expect(series(s, "istio_request_bytes_count")).toEqual([]);
    s.expectNothingLeft();
  });

  test("a host says nothing where it must not", async () => {
    const s = await asked(filter({ disable_host_header_fallback: true }));
    expect(series(s, "istio_requests_total")[0].labels.destination_service).toBe("unknown");
    s.expectNothingLeft();
  });

  test("what is not known is refused by name", () => {
    const metrics = [{ name: "nonsense" }, { dimensions: { a: "b" }, match: "x", odd: 1 }];
    expect(checkIstioStats({ definitions: [], metrics, more: 1 }).map(({ path }) => path)).toEqual([
      "definitions",
      "metrics[0].name",
      "metrics[1].dimensions",
      "metrics[1].match",
      "metrics[1].odd",
      "more",
    ]);
    expect(checkIstioStats({ debug: "false", stat_prefix: "istio" })).toEqual([]);
  });
});

test("hosts that clients make up are bounded, and nothing is lost of the sum", async () => {
  const s = await pair(filter());
  const many = MOST_HOSTS + 40;
  s.client(get().replace("a.example", `${"a".repeat(300)}.example`));
  s.advance(1);
  for (let i = 0; i < many; i++) {
    s.client(`GET / HTTP/1.1\r\nhost: h${i}.example\r\nconnection: close\r\n\r\n`);
    s.advance(1);
  }
  const all = series(s, "istio_requests_total");
  expect(all.length).toBe(2 * MOST_HOSTS + 2);
  expect(all.filter(({ labels }) => labels.destination_service.length > 255)).toEqual([]);
  expect(all.reduce((sum, { value }) => sum + value, 0)).toBe(2 * many + 2);
  expect(
    all.filter(({ labels }) => labels.destination_service === "unknown").map(({ value }) => value),
  ).toEqual([41, 41]);
  s.expectNothingLeft();
});

test("combinations are bounded, too; known ones go on counting when the listener is replaced", async () => {
  let code = 200;
  const s = await pair({
    ...filter(),
    answer: (peer) => {
      if (!peer.received.endsWith("\r\n\r\n")) return;
      peer.take();
      peer.send(`HTTP/1.1 ${code} X\r\ncontent-length: 0\r\n\r\n`);
    },
  });
  const ask = (): void => {
    s.client(get("/", "connection: close\r\n"));
    s.advance(1);
  };
  for (; code < 599; code++) ask();
  const before = series(s, "istio_requests_total");
  // Beyond them the service is unknown.
  expect(before.filter(({ labels }) => labels.destination_service !== "unknown").length).toBe(MOST_SERIES);
  expect(before.reduce((sum, { value }) => sum + value, 0)).toBe(2 * (599 - 200));
  const known = snapshots.get(s) as Snapshot;
  await s.apply({
    ...known,
    listeners: known.listeners.map((one) => ({ ...one, version: `${one.version}b` })),
  });
  code = 200;
  ask();
  const after = series(s, "istio_requests_total").filter(({ labels }) => labels.response_code === "200");
  expect(after.map(({ labels, value }) => [labels.destination_service, value])).toEqual([
    ["a.example", 2],
    ["a.example", 2],
  ]);
  expect(series(s, "istio_requests_total").length).toBe(before.length);
});
