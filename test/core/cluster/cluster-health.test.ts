/** What a cluster makes of its health checks: who is asked and when, who is picked, who stays, when it may be used. */
import { describe, expect, test } from "bun:test";
import { ClusterState } from "../../../core/cluster/cluster.ts";
import { healthFlags } from "../../../core/cluster/endpoint.ts";
import { type HealthNote, HeardHealth } from "../../../core/cluster/health-note.ts";
import type { Cluster, Endpoint } from "../../../core/config/model.ts";
import { ClusterUpdateStats } from "../../../core/telemetry/server-stats.ts";
import { StatsStore } from "../../../core/telemetry/stats.ts";
import {
  assignment,
  cluster,
  endpoint,
  group,
  NameServer,
  seeded,
  weighted,
} from "../../support/cluster-fixture.ts";
import { healthCheck, ScriptedProber } from "../../support/health-fixture.ts";

const FIRST = "10.0.0.1:80";
const SECOND = "10.0.0.2:80";

interface Worker {
  readonly index: number;
  readonly heard: HeardHealth;
}

function start(
  differs: Partial<Cluster> = {},
  random: () => number = seeded(3),
  worker: Worker = { index: 0, heard: new HeardHealth() },
  stats = new StatsStore(),
) {
  const told: HealthNote[] = [];
  const server = new NameServer();
  const lines: string[] = [];
  const written: string[] = [];
  const heard: string[] = [];
  const probers: ScriptedProber[] = [];
  const platform = {
    ...server.platform,
    openLog: (path: string) => ({ write: (line: string) => written.push(`${path} ${line.trimEnd()}`) }),
    log: (level: string, component: string, message: string) =>
      lines.push(`${level} ${component} ${message}`),
  };
  const state = new ClusterState(
    cluster({ healthCheck: healthCheck(), ...differs }),
    {
      platform,
      clock: server.clock,
      timers: server.timers,
      random,
      stats,
      updates: new ClusterUpdateStats(),
      workers: 1,
      sharing: { index: worker.index, tell: null },
    },
    {
      onEndpointRemoved: (gone) => heard.push(`removed ${gone.text}`),
      onEndpointFailed: (_, gone) => heard.push(`failed ${gone.text}`),
      onReady: () => heard.push("ready"),
      onHealthNote: (note) => told.push(note),
      heardHealth: () => worker.heard,
      prober: () => {
        const made = new ScriptedProber();
        probers.push(made);
        return made;
      },
    },
  );
  state.start();
  /** The newest one. */
  const prober = () => probers[probers.length - 1];
  return { state, server, heard, lines, written, probers, prober, told };
}

const two = { loadAssignment: assignment(group(weighted(1, 1))) };

function flags(state: ClusterState): string[] {
  return [...state.endpoints.endpoints].map(({ text, configuredHealth, marks }) => {
    return `${text} ${healthFlags(configuredHealth, marks)}`;
  });
}

function picks(state: ClusterState): string[] {
  return [...new Set(Array.from({ length: 8 }, () => state.chooseEndpoint(null)?.text ?? "none"))].sort();
}

describe("when a cluster may be used", () => {
  test("once every endpoint was asked, whatever they said", () => {
    const { state, server, heard, prober } = start(two);
    expect([state.ready, prober().asked]).toEqual([false, [FIRST, SECOND]]);
    prober().of(FIRST).well();
    server.pass(1);
    expect(heard).toEqual([]);
    prober().of(SECOND).unwell();
    server.pass(1);
    expect(heard).toEqual(["ready"]);
    expect(picks(state)).toEqual([FIRST]);
    expect(flags(state)).toEqual([`${FIRST} healthy`, `${SECOND} /failed_active_hc`]);
  });

  test("silence lasts as long as the time-out", () => {
    const { server, heard, state } = start(two);
    server.pass(299);
    expect(heard).toEqual([]);
    server.pass(2);
    expect(heard).toEqual(["ready"]);
    expect(flags(state)[0]).toBe(`${FIRST} /failed_active_hc/active_hc_timeout`);
  });

  test("a worker that was busy when the time was up reads what is there before it judges", () => {
    const { server, state, prober } = start(two);
    const busy = (ms: number) => {
      server.clock.now += ms;
      server.timers.expire(server.clock.now);
    };
    busy(900);
    prober().of(FIRST).well();
    server.pass(19);
    expect(flags(state)[0]).toBe(`${FIRST} healthy`);
    expect(flags(state)[1]).toBe(`${SECOND} /failed_active_hc`);
    expect(state.health.healthStats.failure).toBe(0);
    server.pass(2);
    expect(flags(state)[1]).toBe(`${SECOND} /failed_active_hc/active_hc_timeout`);
    expect(state.health.healthStats.networkFailure).toBe(1);
  });

  test("of many endpoints it is found out together", () => {
    const many = Array.from({ length: 500 }, (_, i) => endpoint(`10.0.${i >> 8}.${i & 255}:80`));
    const { state, server, prober, heard } = start({ loadAssignment: assignment(group(many)) });
    prober().allWell();
    server.pass(4);
    expect([heard, state.stats.membershipHealthy]).toEqual([[], 0]);
    server.pass(1);
    expect([heard, state.stats.membershipHealthy]).toEqual([["ready"], 500]);
  });

  test("at once if there is nobody to ask", () => {
    expect(start({ loadAssignment: assignment() }).heard).toEqual(["ready"]);
    const deaf = endpoint(FIRST, { healthCheck: { address: null, port: 0, hostname: "", disabled: true } });
    const { heard, prober, state } = start({ loadAssignment: assignment(group([deaf])) });
    expect([heard, prober().asked, flags(state)]).toEqual([["ready"], [], [`${FIRST} healthy`]]);
    expect(state.health.healthStats.healthy).toBe(0);
  });

  test("if the last one that was not asked is taken away", () => {
    const { state, server, heard, prober } = start({ type: "EDS" });
    state.applyEndpoints(assignment(group(weighted(1, 1))));
    prober().of(FIRST).well();
    server.pass(1);
    state.applyEndpoints(assignment(group(weighted(1))));
    server.pass(1);
    expect(heard).toContain("ready");
  });

  test("… also by its name, which leads elsewhere", () => {
    const loadAssignment = assignment(group([endpoint("a.example:80")]));
    const check = healthCheck({ timeout: 60_000 });
    const { server, heard, prober } = start({ type: "STRICT_DNS", loadAssignment, healthCheck: check });
    server.answer("a.example", ["10.0.0.1", "10.0.0.2"]);
    prober().of(FIRST).well();
    server.pass(5000);
    expect(heard).toEqual([]);
    server.answer("a.example", ["10.0.0.1"]);
    server.pass(1);
    expect(heard).toContain("ready");
  });

  test("EDS that says nothing yet, and then of nobody", () => {
    const { state, heard } = start({ type: "EDS" });
    expect(heard).toEqual([]);
    state.applyEndpoints(assignment());
    expect(heard).toEqual(["ready"]);
  });
});

describe("when endpoints are asked", () => {
  test("an interval after the answer to the last question", () => {
    const { server, prober } = start(two);
    prober().allWell();
    server.pass(999);
    expect(prober().asked).toEqual([]);
    server.pass(1);
    expect(prober().asked).toEqual([FIRST, SECOND]);
    server.pass(200);
    prober().of(FIRST).well();
    server.pass(999);
    expect(prober().of(FIRST).times).toBe(2);
    server.pass(1);
    expect(prober().of(FIRST).times).toBe(3);
  });

  test("a minute apart, or as it is said, while no connection was made for a request", () => {
    const check = healthCheck({ noTrafficInterval: 7000, noTrafficHealthyInterval: 60_000 });
    const { state, server, prober } = start({ ...two, healthCheck: check });
    prober().of(FIRST).well();
    prober().of(SECOND).unwell();
    server.pass(7000);
    expect(prober().asked).toEqual([SECOND]);
    state.stats.upstreamCxTotal++;
    prober().of(SECOND).well();
    server.pass(1000);
    expect(prober().asked).toEqual([SECOND]);
    state.stats.upstreamCxTotal = 0; // an operator resets the counters
    prober().of(SECOND).well();
    server.pass(1000);
    expect(prober().asked).toEqual([SECOND]);
  });

  test("at random within the initial jitter, and not before", () => {
    const check = healthCheck({ initialJitter: 1000 });
    const { server, prober, heard } = start({ ...two, healthCheck: check }, () => 0.5);
    server.pass(499);
    expect(prober().asked).toEqual([]);
    server.pass(1);
    expect([prober().asked, heard]).toEqual([[FIRST, SECOND], []]);
  });

  test("a question that is not answered in time is given up; its late answer is not heard", () => {
    const { server, prober, state } = start(two);
    prober().allWell();
    server.pass(1000);
    server.pass(300);
    expect(prober().of(FIRST)).toMatchObject({ gaveUp: 1, waiting: false });
    expect(state.health.healthStats).toMatchObject({ attempt: 4, failure: 2, networkFailure: 2, healthy: 2 });
    server.pass(1300);
    expect(flags(state)[0]).toBe(`${FIRST} /failed_active_hc/active_hc_timeout`);
  });

  test("nobody, once the cluster is gone", () => {
    const { state, server, prober } = start(two);
    prober().allWell();
    state.close();
    server.pass(10_000);
    expect(prober().probes.map(({ closed, times }) => [closed, times])).toEqual([
      [true, 1],
      [true, 1],
    ]);
    expect([prober().closed, server.timers.size]).toEqual([true, 0]);
  });
});

describe("who is picked", () => {
  test("an endpoint that fails gets nothing, and again its share when it passes", () => {
    const { state, server, prober, heard } = start(two);
    prober().allWell();
    server.pass(1000);
    prober().of(FIRST).unwell();
    prober().of(SECOND).well();
    server.pass(0);
    expect([picks(state), heard]).toEqual([[SECOND], ["ready", `failed ${FIRST}`]]);
    expect(state.stats).toMatchObject({ membershipTotal: 2, membershipHealthy: 1, membershipChange: 1 });
    for (let i = 0; i < 2; i++) {
      server.pass(1000);
      prober().allWell();
    }
    server.pass(0);
    expect(picks(state)).toEqual([FIRST, SECOND]);
    expect(heard).toEqual(["ready", `failed ${FIRST}`]);
  });

  test("all of them in panic; none without it", () => {
    const { state, server, prober } = start(two);
    for (const each of prober().probes) each.unwell();
    server.pass(0);
    expect(picks(state)).toEqual([FIRST, SECOND]);
    const calm = start({ ...two, healthyPanicThreshold: 0 });
    for (const each of calm.prober().probes) each.unwell();
    calm.server.pass(0);
    expect(picks(calm.state)).toEqual(["none"]);
  });

  test("one that asks for less load gets it only if others cannot take it", () => {
    const { state, server, prober } = start(two);
    prober().of(FIRST).well(true);
    prober().of(SECOND).well();
    server.pass(0);
    expect(state.stats).toMatchObject({ membershipHealthy: 1, membershipDegraded: 1 });
    expect(state.health.healthStats).toMatchObject({ healthy: 2, degraded: 1 });
  });

  test("one that fails at once does not even count", () => {
    const { state, server, prober } = start(two);
    prober().allWell();
    server.pass(0);
    const [first] = state.endpoints.endpoints;
    state.health.failAtOnce(first);
    server.pass(0);
    expect(flags(state)[0]).toBe(`${FIRST} /failed_active_hc/excluded_via_immediate_hc_fail`);
    expect(state.stats).toMatchObject({ membershipHealthy: 1, membershipExcluded: 1 });
    expect(state.health.healthStats).toMatchObject({ failure: 1, passiveFailure: 1, networkFailure: 0 });
    for (let i = 0; i < 2; i++) {
      server.pass(1000);
      prober().allWell();
    }
    server.pass(0);
    expect([flags(state)[0], state.stats.membershipExcluded]).toEqual([`${FIRST} healthy`, 0]);
  });

  test("… also if it fails already", () => {
    const { state, server, prober } = start(two);
    prober().of(FIRST).unwell();
    prober().of(SECOND).well();
    server.pass(1000);
    expect(state.stats.membershipExcluded).toBe(0);
    prober().of(FIRST).unwell("ACTIVE", false, true);
    server.pass(0);
    expect(state.stats.membershipExcluded).toBe(1);
  });

  test("health that EDS says is not made better by checks", () => {
    const sick = endpoint(FIRST, { health: "UNHEALTHY" });
    const { state, server, prober } = start({ type: "EDS" });
    state.applyEndpoints(assignment(group([sick, ...weighted(1, 1).slice(1)])));
    prober().allWell();
    server.pass(0);
    expect([picks(state), flags(state)[0]]).toEqual([[SECOND], `${FIRST} /failed_eds_health`]);
  });
});

describe("endpoints come and go", () => {
  const eds = (differs: Partial<Cluster> = {}) => {
    const made = start({ type: "EDS", ...differs });
    const say = (...endpoints: Endpoint[]) => made.state.applyEndpoints(assignment(group(endpoints)));
    const [first, second, third] = weighted(1, 1, 1);
    say(first, second);
    made.prober().allWell();
    made.server.pass(0);
    return { ...made, say, first, second, third };
  };

  test("a new one is asked at once, and gets nothing before it has answered", () => {
    const { say, state, server, prober, first, second, third } = eds();
    say(first, second, third);
    expect([prober().asked, picks(state)]).toEqual([["10.0.0.3:80"], [FIRST, SECOND]]);
    expect(state.stats).toMatchObject({ membershipTotal: 3, membershipHealthy: 2, membershipExcluded: 0 });
    prober().allWell();
    server.pass(0);
    expect(picks(state)).toEqual([FIRST, SECOND, "10.0.0.3:80"]);
  });

  test("ignore_new_hosts_until_first_hc: nor does it count against the others", () => {
    const { say, state, server, prober, first, second, third } = eds({ ignoreNewUntilChecked: true });
    say(first, second, third);
    expect(flags(state)[2]).toBe("10.0.0.3:80 /failed_active_hc/pending_active_hc");
    expect(state.stats.membershipExcluded).toBe(1);
    prober().of("10.0.0.3:80").unwell();
    server.pass(0);
    expect(flags(state)[2]).toBe("10.0.0.3:80 /failed_active_hc");
    expect(state.stats.membershipExcluded).toBe(0);
  });

  test("one that is taken away stays as long as it passes", () => {
    const { say, state, server, prober, heard, first } = eds();
    say(first);
    expect(flags(state)).toEqual([`${FIRST} healthy`, `${SECOND} /pending_dynamic_removal`]);
    expect([picks(state), state.stats.membershipTotal]).toEqual([[FIRST, SECOND], 2]);
    server.pass(1000);
    prober().of(SECOND).unwell();
    server.pass(0);
    expect(flags(state)).toEqual([`${FIRST} healthy`]);
    expect(heard.slice(-2)).toEqual([`failed ${SECOND}`, `removed ${SECOND}`]);
    expect(state.stats).toMatchObject({ membershipTotal: 1, membershipChange: 2 });
  });

  test("… and is one of them again if it comes back", () => {
    const { say, state, prober, first, second } = eds();
    const asked = prober().probes.length;
    say(first);
    say(first, second);
    expect(flags(state)).toEqual([`${FIRST} healthy`, `${SECOND} healthy`]);
    expect(prober().probes.length).toBe(asked);
  });

  test("… also in another locality than those that are left", () => {
    const { state, server, prober } = start({ type: "EDS" });
    const [first, second] = weighted(1, 1);
    const far = group([second], { locality: { region: "far", zone: "", subZone: "" }, priority: 1 });
    state.applyEndpoints(assignment(group([first]), far));
    prober().allWell();
    server.pass(0);
    state.applyEndpoints(assignment(group([first])));
    expect(flags(state)).toEqual([`${FIRST} healthy`, `${SECOND} /pending_dynamic_removal`]);
    const [, kept] = state.endpoints.endpoints;
    expect([kept.priority, kept.locality.region]).toEqual([1, "far"]);
  });

  test("one that fails goes at once, and one of a cluster that ignores health", () => {
    const { say, state, server, prober, first } = eds();
    server.pass(1000);
    prober().of(SECOND).unwell();
    say(first);
    expect(flags(state)).toEqual([`${FIRST} healthy`]);
    const other = eds({ ignoreHealthOnRemoval: true });
    other.say(other.first);
    expect(flags(other.state)).toEqual([`${FIRST} healthy`]);
    expect(other.prober().probes[1].closed).toBe(true);
  });

  test("one that fails and says then that it is not to be asked is picked again", () => {
    const { say, state, server, prober, first, second } = eds({ healthyPanicThreshold: 0 });
    server.pass(1000);
    prober().of(FIRST).unwell();
    server.pass(0);
    expect(picks(state)).toEqual([SECOND]);
    say({ ...first, healthCheck: { address: null, port: 0, hostname: "", disabled: true } }, second);
    server.pass(0);
    expect([picks(state), state.stats.membershipHealthy]).toEqual([[FIRST, SECOND], 2]);
  });

  test("one that says that it is not to be asked, and one that is asked elsewhere", () => {
    const { say, state, server, prober, first, second } = eds();
    const elsewhere = { address: null, port: 8081, hostname: "", disabled: false };
    say({ ...first, healthCheck: { ...elsewhere, disabled: true } }, { ...second, healthCheck: elsewhere });
    expect(prober().probes.map(({ closed }) => closed)).toEqual([true, true, false]);
    server.pass(1000);
    expect(prober().asked).toEqual([SECOND]);
    expect(flags(state)).toEqual([`${FIRST} healthy`, `${SECOND} healthy`]);
  });
});

test("two clusters of one name in statistics: each has its share of the gauges", () => {
  const store = new StatsStore();
  const [blue, green] = ["blue", "green"].map((name) =>
    start({ ...two, name, altStatName: "both" }, undefined, undefined, store),
  );
  for (const { prober, server } of [blue, green]) {
    prober().allWell();
    server.pass(0);
  }
  expect(blue.state.health.healthStats.healthy).toBe(4);
  blue.state.close();
  expect(green.state.health.healthStats.healthy).toBe(2);
});

describe("the configuration changes", () => {
  test("checks that are new take nobody out of service before they were asked", () => {
    const { state, server, prober, heard } = start({ ...two, healthCheck: null });
    expect(heard).toEqual(["ready"]);
    state.applyConfig({ ...state.config, version: "2", healthCheck: healthCheck() });
    expect([picks(state), prober().asked]).toEqual([
      [FIRST, SECOND],
      [FIRST, SECOND],
    ]);
    prober().of(FIRST).unwell();
    server.pass(0);
    expect(picks(state)).toEqual([SECOND]);
  });

  test("checks that end let everybody in again", () => {
    const { state, server, prober, probers } = start({ type: "EDS" });
    state.applyEndpoints(assignment(group(weighted(1, 1))));
    prober().of(FIRST).unwell();
    prober().of(SECOND).well();
    server.pass(0);
    state.applyEndpoints(assignment(group(weighted(1))));
    state.applyConfig({ ...state.config, version: "2", healthCheck: null });
    expect(flags(state)).toEqual([`${FIRST} healthy`]); // the other was only kept because it passed
    expect([picks(state), probers[0].closed, state.health.healthStats.healthy]).toEqual([[FIRST], true, 0]);
    server.pass(10_000);
    expect(prober().asked).toEqual([]);
  });

  test("another check keeps what is known; what was under way is asked anew, in the time that is left", () => {
    const { state, server, probers } = start(two);
    probers[0].of(FIRST).unwell();
    probers[0].of(SECOND).well();
    server.pass(1000);
    probers[0].of(SECOND).well();
    state.applyConfig({ ...state.config, version: "2", healthCheck: healthCheck({ timeout: 100 }) });
    expect([probers[0].closed, probers[1].asked]).toEqual([true, [FIRST]]);
    expect(flags(state)).toEqual([`${FIRST} /failed_active_hc`, `${SECOND} healthy`]);
    server.pass(299);
    expect(probers[1].of(FIRST).gaveUp).toBe(0);
    server.pass(1);
    expect(probers[1].of(FIRST).gaveUp).toBe(1);
  });

  test("a cluster that changes faster than its endpoints answer gets its verdicts all the same", () => {
    const { state, server } = start(two);
    for (let version = 2; version < 20; version++) {
      state.applyConfig({ ...state.config, version: `${version}` });
      server.pass(100);
    }
    expect([state.ready, state.health.healthStats.networkFailure]).toEqual([true, 4]);
  });

  test("by another check those that fail are asked at once, and the others soon", () => {
    const slow = healthCheck({
      interval: 3_600_000,
      noTrafficInterval: 3_600_000,
      noTrafficHealthyInterval: 3_600_000,
    });
    const { state, server, prober } = start({
      ...two,
      healthCheck: { ...slow, unhealthyInterval: 3_600_000 },
    });
    prober().of(FIRST).well();
    prober().of(SECOND).unwell();
    server.pass(10_000);
    state.applyConfig({ ...state.config, version: "2" }); // nothing of interest
    server.pass(10_000);
    expect(prober().asked).toEqual([]);
    state.applyConfig({ ...state.config, version: "3", healthCheck: healthCheck() });
    server.pass(1);
    expect(prober().asked).toEqual([SECOND]);
    server.pass(1000);
    expect(prober().asked).toContain(FIRST);
  });

  test("a threshold that is lowered holds for what was counted before", () => {
    const { state, server, prober } = start({ ...two, healthCheck: healthCheck({ unhealthyThreshold: 5 }) });
    prober().allWell();
    for (let i = 0; i < 3; i++) {
      server.pass(1000);
      for (const each of prober().probes) if (each.waiting) each.unwell("NETWORK");
    }
    state.applyConfig({ ...state.config, version: "2", healthCheck: healthCheck({ unhealthyThreshold: 2 }) });
    server.pass(1000);
    for (const each of prober().probes) if (each.waiting) each.unwell("NETWORK");
    expect(flags(state)).toEqual([`${FIRST} /failed_active_hc`, `${SECOND} /failed_active_hc`]);
  });

  test("… and so does the other threshold", () => {
    const { state, server, prober } = start({ ...two, healthCheck: healthCheck({ healthyThreshold: 5 }) });
    for (const each of prober().probes) each.unwell();
    for (let i = 0; i < 3; i++) {
      server.pass(1000);
      prober().allWell();
    }
    state.applyConfig({ ...state.config, version: "2", healthCheck: healthCheck({ healthyThreshold: 2 }) });
    server.pass(1); // those that fail are asked at once
    prober().allWell();
    expect(flags(state)).toEqual([`${FIRST} healthy`, `${SECOND} healthy`]);
  });

  test.each([
    ["another name of EDS", { edsServiceName: "green" }],
    [
      "another sort of cluster",
      { type: "STRICT_DNS", loadAssignment: assignment(group([endpoint("a.example:80")])) },
    ],
  ] as const)("%s: nobody stays who is not named there", (_, change) => {
    const { state, server, prober } = start({ type: "EDS", edsServiceName: "blue" });
    state.applyEndpoints(assignment(group(weighted(1, 1))));
    prober().allWell();
    server.pass(0);
    state.applyEndpoints(assignment(group(weighted(1)))); // the second one stays
    state.applyConfig({ ...state.config, version: "2", ...change });
    expect(picks(state)).toEqual([FIRST, SECOND]); // until others are known
    if ("type" in change) server.answer("a.example", ["10.0.0.3"]);
    else state.applyEndpoints(assignment(group([endpoint("10.0.0.3:80")])));
    expect(flags(state)).toEqual(["10.0.0.3:80 /failed_active_hc"]);
  });

  test("ignore_health_on_host_removal lets those go who have stayed", () => {
    const { state, server, prober, heard } = start({ type: "EDS" });
    state.applyEndpoints(assignment(group(weighted(1, 1, 1))));
    prober().allWell();
    server.pass(0);
    state.applyEndpoints(assignment(group(weighted(1))));
    state.applyConfig({ ...state.config, version: "2", ignoreHealthOnRemoval: true });
    server.pass(0);
    expect(flags(state)).toEqual([`${FIRST} healthy`]);
    expect(heard.slice(-2)).toEqual([`removed ${SECOND}`, "removed 10.0.0.3:80"]);
  });
});

describe("several workers", () => {
  const one = { loadAssignment: assignment(group(weighted(1))) };
  const second = (heard = new HeardHealth()) => start(one, undefined, { index: 1, heard });
  const note = (change: Partial<HealthNote> = {}): HealthNote => ({
    cluster: "shop",
    endpoint: FIRST,
    marks: 0,
    successes: 0,
    failures: 0,
    wait: 1000,
    traffic: false,
    ...change,
  });

  test("whoever has asked tells what came of it", () => {
    const { prober, server, told, state } = start(one);
    prober().allWell();
    server.pass(1000);
    prober().of(FIRST).unwell("NETWORK");
    state.stats.upstreamCxTotal++;
    server.pass(1000);
    prober().of(FIRST).unwell();
    expect(told).toEqual([
      note(),
      note({ failures: 1 }),
      note({ marks: 1, traffic: true }), // failed
    ]);
  });

  test("the second one asks nobody while it hears of the first", () => {
    const { prober, server, state, heard } = second();
    expect([prober().asked, heard]).toEqual([[], []]);
    state.health.learn(note());
    server.pass(1);
    expect([heard, flags(state), state.health.healthStats]).toMatchObject([
      ["ready"],
      [`${FIRST} healthy`],
      { attempt: 0, healthy: 1 },
    ]);
    for (let i = 0; i < 10; i++) {
      server.pass(1200);
      state.health.learn(note());
    }
    expect(prober().of(FIRST).times).toBe(0);
  });

  test("what it hears is what it thinks, thresholds included", () => {
    const { prober, server, state, heard } = second();
    state.health.learn(note({ failures: 1 }));
    server.pass(1000 + 300 + 1000);
    prober().of(FIRST).unwell("NETWORK");
    server.pass(0);
    expect([flags(state), heard]).toEqual([[`${FIRST} /failed_active_hc`], ["ready", `failed ${FIRST}`]]);
    state.health.learn(note({ marks: 2 }));
    server.pass(0);
    expect(flags(state)).toEqual([`${FIRST} /degraded_active_hc`]);
    state.health.learn(note({ marks: 1 | 32 }));
    server.pass(0);
    expect(flags(state)).toEqual([`${FIRST} /failed_active_hc/active_hc_timeout`]);
    expect(heard).toEqual(["ready", `failed ${FIRST}`, `failed ${FIRST}`]);
  });

  test("it asks if it has heard nothing for longer than a check takes", () => {
    const { prober, server, state, heard } = second();
    server.pass(300 + 1000 - 1);
    expect(prober().asked).toEqual([]);
    server.pass(1);
    expect(prober().asked).toEqual([FIRST]);
    prober().allWell();
    server.pass(1);
    expect([heard, flags(state)]).toEqual([["ready"], [`${FIRST} healthy`]]);
    server.pass(1000 + 300 + 1000 - 2);
    expect(prober().asked).toEqual([]);
    server.pass(1);
    expect(prober().asked).toEqual([FIRST]);
  });

  test("the last of many waits no longer for its first question than the second", () => {
    const { prober, server } = start(one, undefined, { index: 7, heard: new HeardHealth() });
    server.pass(300 + 1000);
    expect(prober().asked).toEqual([FIRST]);
  });

  test("what another worker tells while it asks counts, and so does the answer", () => {
    const { prober, server, state, told } = start(one);
    prober().allWell();
    server.pass(1000);
    state.health.learn(note({ marks: 1 | 16 }));
    expect(flags(state)).toEqual([`${FIRST} /failed_active_hc/excluded_via_immediate_hc_fail`]);
    prober().allWell(); // once, of the two times that it takes
    expect(told[1]).toEqual(note({ marks: 1 | 16, successes: 1 }));
    server.pass(1000);
    prober().allWell();
    expect(flags(state)).toEqual([`${FIRST} healthy`]);
  });

  test("what was heard of an endpoint goes with it", () => {
    const heard = new HeardHealth();
    heard.hear(note(), 0);
    const { state, server } = start({ type: "EDS", ignoreHealthOnRemoval: true }, undefined, {
      index: 1,
      heard,
    });
    const [first] = weighted(1);
    state.applyEndpoints(assignment(group([first])));
    state.applyEndpoints(assignment());
    state.applyEndpoints(assignment(group([first])));
    server.pass(1);
    expect(flags(state)).toEqual([`${FIRST} /failed_active_hc`]);
  });

  test("what it heard before it knew the endpoint counts, unless it is old", () => {
    const heard = new HeardHealth();
    heard.hear(note({ marks: 1 }), 0);
    const { state, server, heard: events } = second(heard);
    server.pass(1);
    expect([flags(state), events]).toEqual([[`${FIRST} /failed_active_hc`], ["ready"]]);
    const old = new HeardHealth();
    old.hear(note(), -(1000 + 300 + 1000) - 1);
    expect(second(old).state.ready).toBe(false);
  });

  test("where the cluster is used it is asked more often, and the others hear that it is", () => {
    const check = healthCheck({ noTrafficInterval: 60_000, noTrafficHealthyInterval: 60_000 });
    const used = start({ ...one, healthCheck: check }, undefined, { index: 1, heard: new HeardHealth() });
    used.state.stats.upstreamCxTotal++;
    used.state.health.learn(note({ wait: 60_000 }));
    used.server.pass(1000 + 300 + 1000);
    expect(used.prober().asked).toEqual([FIRST]);
    used.prober().allWell();
    expect(used.told).toEqual([note({ traffic: true })]);
    const first = start({ ...one, healthCheck: check });
    first.prober().allWell();
    first.state.health.learn(used.told[0]);
    first.server.pass(1000);
    expect(first.prober().asked).toEqual([FIRST]);
  });

  test("an endpoint that fails at once is told, and asked no later for it", () => {
    const { state, server, prober, told } = start(one);
    prober().allWell();
    server.pass(400);
    const [endpoint] = state.endpoints.endpoints;
    state.health.failAtOnce(endpoint);
    expect(told[1]).toEqual(note({ marks: 1 | 16, wait: 600 }));
    for (let i = 0; i < 3; i++) state.health.failAtOnce(endpoint);
    expect([told.length, state.health.healthStats.passiveFailure]).toEqual([2, 4]);
    server.pass(600);
    expect(prober().asked).toEqual([FIRST]);
  });

  test("what was kept for the next question is let go when another worker asks", () => {
    const { state, prober } = second();
    state.health.learn(note());
    expect(prober().of(FIRST).gaveUp).toBe(1);
  });

  test("notes of endpoints that nobody knows are bounded", () => {
    const heard = new HeardHealth();
    for (let i = 0; i < 5000; i++) {
      heard.hear(note({ endpoint: `10.0.0.${i}:80` }), 0);
      heard.trim(i < 4000 ? null : 2); // it was not known how many there would be
      if (i === 3999) expect(heard.of("10.0.0.0:80", 0, 0)).not.toBeNull();
    }
    expect(heard.of("10.0.0.4999:80", 0, 0)).not.toBeNull();
    expect(heard.of("10.0.0.3000:80", 0, 0)).toBeNull();
  });
});

describe("what is told", () => {
  const events = { paths: ["events"], everyFailure: false, everySuccess: false };
  const line = (...parts: string[]) =>
    `events {"health_checker_type":"HTTP","host":{"socket_address":{"protocol":"TCP","address":"10.0.0.1","port_value":80,"resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}},"cluster_name":"shop",${parts.join(",")}}`;
  const TIME = '"timestamp":"1970-01-01T00:00:00Z"';
  const LOCALITY = '"locality":{"region":"","zone":"","sub_zone":""}';
  const one = { loadAssignment: assignment(group(weighted(1))) };

  test("what changes is logged, and written as Envoy's events", () => {
    const { prober, written, lines } = start({ ...one, healthCheck: healthCheck({ events }) });
    const asked = prober().of(FIRST);
    asked.well();
    asked.unwell();
    asked.well();
    asked.well(true);
    asked.well();
    const event = (name: string, content: string) => `"${name}":${content}`;
    expect(written).toEqual([
      line(event("add_healthy_event", '{"first_check":true}'), TIME, LOCALITY),
      line(
        event("eject_unhealthy_event", '{"failure_type":"ACTIVE","http_status_code":500}'),
        TIME,
        LOCALITY,
      ),
      line(event("add_healthy_event", '{"first_check":false}'), TIME, LOCALITY),
      line(TIME, event("degraded_healthy_host", "{}"), LOCALITY),
      line(TIME, event("no_longer_degraded_host", "{}"), LOCALITY),
    ]);
    expect(lines).toEqual([
      "info hc cluster shop: 10.0.0.1:80 is healthy",
      "warning hc cluster shop: 10.0.0.1:80 is unhealthy: the test says so",
      "info hc cluster shop: 10.0.0.1:80 is healthy",
      "info hc cluster shop: 10.0.0.1:80 is degraded",
      "info hc cluster shop: 10.0.0.1:80 is no longer degraded",
    ]);
  });

  test("every failure and every success, if that is wanted", () => {
    const all = { ...events, everyFailure: true, everySuccess: true };
    const { prober, written } = start({ ...one, healthCheck: healthCheck({ events: all }) });
    const asked = prober().of(FIRST);
    asked.unwell("NETWORK");
    asked.well();
    asked.well();
    asked.well();
    asked.unwell();
    expect(
      written.map(
        (text) =>
          /"([a-z_]+)":\{("failure_type":"[A-Z]+","first_check":[a-z]+)?[^{}]*\}(,"timestamp|,"locality|\}$)/.exec(
            text.replace(LOCALITY, '"locality":0'),
          )?.[1],
      ),
    ).toEqual([
      "health_check_failure_event",
      "successful_health_check_event",
      "add_healthy_event",
      "successful_health_check_event",
      "eject_unhealthy_event",
      "health_check_failure_event",
    ]);
  });

  test("metadata and pipes", () => {
    const host: Endpoint = {
      ...endpoint(FIRST),
      address: { ip: "", port: 0, path: "/run/x" },
      metadata: { a: { b: "c" } },
    };
    const check = healthCheck({ events });
    const { prober, written } = start({ loadAssignment: assignment(group([host])), healthCheck: check });
    prober().of("/run/x").well();
    expect(written[0]).toContain('"host":{"pipe":{"path":"/run/x","mode":0}}');
    expect(written[0]).toContain(
      '"metadata":{"filter_metadata":{"a":{"b":"c"}},"typed_filter_metadata":{}},"locality"',
    );
  });
});
