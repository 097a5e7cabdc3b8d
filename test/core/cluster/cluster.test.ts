import { describe, expect, test } from "bun:test";
import { ClusterState } from "../../../core/cluster/cluster.ts";
import { type EndpointState, healthFlags } from "../../../core/cluster/endpoint.ts";
import { UNSHARED } from "../../../core/cluster/health-note.ts";
import type { Cluster } from "../../../core/config/model.ts";
import { ClusterUpdateStats } from "../../../core/telemetry/server-stats.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import {
  assignment,
  cluster,
  endpoint,
  group,
  NameServer,
  seeded,
  THRESHOLDS,
  weighted,
} from "../../support/cluster-fixture.ts";

function start(differs: Partial<Cluster>, workers = 1) {
  const server = new NameServer();
  const store = new StatsStore();
  const heard: string[] = [];
  const updates = new ClusterUpdateStats();
  const state = new ClusterState(
    cluster(differs),
    {
      platform: server.platform,
      clock: server.clock,
      timers: server.timers,
      random: seeded(3),
      stats: store,
      updates,
      workers,
      sharing: UNSHARED,
    },
    {
      onEndpointRemoved: (gone) => heard.push(`removed ${gone.text}`),
      onReady: () => heard.push("ready"),
      onEndpointFailed: (_, failed) => heard.push(`failed ${failed.text}`),
      onHealthNote: () => undefined,
      heardHealth: () => null,
      prober: () => {
        throw new Error("no checks are configured");
      },
    },
  );
  state.start();
  return { state, server, store, updates, heard };
}

function picks(state: ClusterState, count = 6): string[] {
  return [...new Set(Array.from({ length: count }, () => state.chooseEndpoint(null)?.text ?? "none"))].sort();
}

describe("where endpoints come from", () => {
  test("STATIC: at once", () => {
    const { state, heard } = start({ loadAssignment: assignment(group(weighted(1, 1))) });
    expect(heard).toEqual(["ready"]);
    expect(picks(state)).toEqual(["10.0.0.1:80", "10.0.0.2:80"]);
    expect(state.stats).toMatchObject({ membershipTotal: 2, membershipHealthy: 2, membershipChange: 1 });
  });

  test("EDS: not ready until the first assignment; each one is counted", () => {
    const { state, updates, heard } = start({ type: "EDS" });
    expect([state.ready, state.chooseEndpoint(null)]).toEqual([false, null]);
    expect(state.stats.upstreamCxNoneHealthy).toBe(1);
    const load = assignment(group([...weighted(1, 1), endpoint("10.0.0.3:80", { health: "DEGRADED" })]));
    state.applyEndpoints(load);
    state.applyEndpoints(load);
    expect(heard).toEqual(["ready"]);
    expect(updates.clusterUpdated).toBe(0); // neither the first nor the same again is a change
    expect(state.stats).toMatchObject({
      updateAttempt: 2,
      updateSuccess: 2,
      updateNoRebuild: 1,
      membershipChange: 1,
      membershipTotal: 3,
      membershipHealthy: 2,
      membershipDegraded: 1,
    });
    state.applyEndpoints(assignment(group(weighted(1, 3))));
    expect(updates.clusterUpdated).toBe(1);
  });

  test("STRICT_DNS: when the name is known; a failure is logged, counted and changes nothing", () => {
    const { state, server, heard } = start({
      type: "STRICT_DNS",
      loadAssignment: assignment(group([endpoint("app.test:80")])),
    });
    expect(state.ready).toBe(false);
    server.answer("app.test", ["10.0.0.1", "10.0.0.2"]);
    server.pass(5000);
    server.answer("app.test", { error: "ETIMEOUT" });
    expect(picks(state)).toEqual(["10.0.0.1:80", "10.0.0.2:80"]);
    expect(server.log).toEqual(["cluster shop: cannot resolve app.test: ETIMEOUT; keeping 2 endpoint(s)"]);
    server.pass(5000);
    server.answer("app.test", ["10.0.0.2"]);
    expect(heard).toEqual(["ready", "removed 10.0.0.1:80"]);
    expect(state.stats).toMatchObject({
      updateAttempt: 3,
      updateSuccess: 2,
      updateFailure: 1,
      membershipTotal: 1,
    });
  });

  test("LOGICAL_DNS: one endpoint that moves; its pool and counters stay", () => {
    const { state, server, heard } = start({
      type: "LOGICAL_DNS",
      loadAssignment: assignment(group([endpoint("app.test:80")])),
    });
    server.answer("app.test", ["10.0.0.1"]);
    const host = state.chooseEndpoint(null) as EndpointState;
    host.pool = "its pool";
    server.pass(5000);
    server.answer("app.test", ["10.0.0.9", "10.0.0.1"]);
    expect(state.chooseEndpoint(null)).toBe(host);
    expect(host).toMatchObject({ text: "10.0.0.9:80", pool: "its pool", hostname: "app.test", live: true });
    expect(heard).toEqual(["ready"]);
    expect(state.endpoints.find("10.0.0.1:80")).toBeNull();
    expect(state.endpoints.find("10.0.0.9:80")).toBe(host);
  });
});

describe("a changed configuration", () => {
  const load = assignment(group(weighted(1, 1)));

  test("keeps endpoints, pools and what is acquired; limits and balancer are the new ones", () => {
    const { state, heard } = start({ loadAssignment: load });
    const [first] = state.endpoints.endpoints;
    state.breaker("DEFAULT").requests.tryAcquire();
    state.applyConfig(
      cluster({
        version: "2",
        lbPolicy: "RANDOM",
        loadAssignment: assignment(group([...weighted(1), endpoint("10.0.0.7:80")])),
        circuitBreakers: { default: { ...THRESHOLDS, maxRequests: 1 }, high: THRESHOLDS },
      }),
    );
    expect(heard).toEqual(["ready", "removed 10.0.0.2:80"]);
    expect(state.endpoints.find("10.0.0.1:80")).toBe(first);
    expect(picks(state, 50)).toEqual(["10.0.0.1:80", "10.0.0.7:80"]);
    expect(state.breaker("DEFAULT").requests.tryAcquire()).toBe(false);
    expect(state.breaker("HIGH").requests.tryAcquire()).toBe(true);
  });

  test("the same version does nothing", () => {
    const { state } = start({ loadAssignment: load });
    state.applyConfig(cluster({ loadAssignment: assignment() }));
    expect(state.endpoints.total).toBe(2);
  });

  test("from EDS to DNS and to STATIC: old endpoints serve until the new ones are known", () => {
    const { state, server } = start({ type: "EDS" });
    state.applyEndpoints(load);
    const names = assignment(group([endpoint("app.test:80")]));
    state.applyConfig(cluster({ version: "2", type: "STRICT_DNS", loadAssignment: names }));
    expect(picks(state)).toEqual(["10.0.0.1:80", "10.0.0.2:80"]);
    server.answer("app.test", ["10.0.0.5"]);
    expect(picks(state)).toEqual(["10.0.0.5:80"]);
    state.applyConfig(cluster({ version: "3", loadAssignment: load }));
    expect(picks(state)).toEqual(["10.0.0.1:80", "10.0.0.2:80"]);
    server.pass(60_000);
    expect(server.asked).toBe(1); // DNS was stopped
  });

  test("a changed panic threshold holds at once", () => {
    const sick = assignment(group([endpoint("10.0.0.1:80", { health: "UNHEALTHY" })]));
    const { state } = start({ loadAssignment: sick });
    expect(picks(state)).toEqual(["10.0.0.1:80"]);
    state.applyConfig(cluster({ version: "2", loadAssignment: sick, healthyPanicThreshold: 0 }));
    expect(picks(state)).toEqual(["none"]);
  });
});

describe("statistics and status", () => {
  test("stand under cluster.<alt_stat_name>. until the cluster is closed", () => {
    const { state, store, heard } = start({
      altStatName: "public",
      loadAssignment: assignment(group(weighted(1))),
    });
    state.breaker("HIGH").connections.tryAcquire();
    const [scope] = store.export().scopes;
    expect(scope.prefix).toBe("cluster.public.");
    expect(scope.sets.map((set) => set.at)).toEqual([
      "",
      "circuit_breakers.default.",
      "circuit_breakers.high.",
    ]);
    state.close();
    expect(store.export().scopes).toEqual([]);
    expect(heard).toEqual(["ready", "removed 10.0.0.1:80"]);
  });

  test("what remains of the limits is there only if tracked, divided between workers", () => {
    const tracked = { ...THRESHOLDS, trackRemaining: true };
    const { store } = start({ circuitBreakers: { default: tracked, high: THRESHOLDS } }, 4);
    const [scope] = store.export().scopes;
    const remaining = scope.sets.filter((set) => set.layout === "breaker_remaining");
    expect(remaining.map((set) => set.at)).toEqual(["circuit_breakers.default."]);
    expect(Math.max(...(remaining[0].values ?? []))).toBe(4294967295 / 4 + 0.25);
  });

  test.each([
    [true, [30, 10]],
    [false, [10, 30]],
  ])(
    "locality_weighted_lb_config %j: shares by the weight of localities, else by endpoints",
    (localityWeighted, shares) => {
      const near = { locality: { region: "near", zone: "", subZone: "" }, weight: 3 };
      const far = { locality: { region: "far", zone: "", subZone: "" }, weight: 1 };
      const { state } = start({
        type: "EDS",
        localityWeighted,
      });
      state.applyEndpoints(
        assignment(
          group([endpoint("10.0.0.1:80")], near),
          group([endpoint("10.1.0.1:80"), endpoint("10.1.0.2:80"), endpoint("10.1.0.3:80")], far),
        ),
      );
      const seen = { near: 0, far: 0 };
      for (let i = 0; i < 40; i++) seen[state.chooseEndpoint(null)?.locality.region as "near" | "far"]++;
      expect([seen.near, seen.far]).toEqual(shares);
    },
  );

  test.each([
    ["UNKNOWN", "healthy"],
    ["HEALTHY", "healthy"],
    ["DEGRADED", "/degraded_eds_health"],
    ["DRAINING", "/failed_eds_health/eds_status_draining"],
    ["UNHEALTHY", "/failed_eds_health"],
    ["TIMEOUT", "/failed_eds_health"],
  ] as const)("an endpoint that EDS calls %s is %s", (health, flags) => {
    const { state } = start({ type: "EDS" });
    state.applyEndpoints(assignment(group([endpoint("10.0.0.1:80", { health })])));
    expect(
      state.status().endpoints.map((each) => [each.edsHealth, healthFlags(each.edsHealth, each.marks)]),
    ).toEqual([[health, flags]]);
  });

  test("status is plain data with Envoy's words", () => {
    const { state } = start({
      edsServiceName: "shop-eds",
      type: "EDS",
    });
    state.applyEndpoints(
      assignment(
        group([endpoint("10.0.0.1:80", { weight: 2, health: "DRAINING", hostname: "one" })], {
          locality: { region: "r", zone: "z", subZone: "s" },
          priority: 1,
        }),
      ),
    );
    const [host] = state.endpoints.endpoints;
    host.rqSuccess = 5;
    host.cxActive = 2;
    expect(state.stats).toMatchObject({ membershipTotal: 1, membershipHealthy: 0, membershipExcluded: 1 });
    expect(structuredClone(state.status())).toEqual({
      name: "shop",
      observabilityName: "shop",
      edsServiceName: "shop-eds",
      defaultThresholds: THRESHOLDS,
      highThresholds: THRESHOLDS,
      endpoints: [
        {
          address: { ip: "10.0.0.1", port: 80, path: "" },
          text: "10.0.0.1:80",
          hostname: "one",
          marks: 0,
          edsHealth: "DRAINING",
          weight: 2,
          priority: 1,
          locality: { region: "r", zone: "z", subZone: "s" },
          cxActive: 2,
          cxConnectFail: 0,
          cxTotal: 0,
          rqActive: 0,
          rqError: 0,
          rqPendingActive: 0,
          rqSuccess: 5,
          rqTimeout: 0,
          rqTotal: 0,
        },
      ],
    });
  });
});
