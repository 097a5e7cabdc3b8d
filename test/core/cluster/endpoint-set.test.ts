import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { EndpointState } from "../../../core/cluster/endpoint.ts";
import { EndpointSet } from "../../../core/cluster/endpoint-set.ts";
import { balancerOf } from "../../../core/cluster/lb-policy.ts";
import type { Cluster, ClusterLoadAssignment, Endpoint } from "../../../core/config/model.ts";
import { assignment, cluster, endpoint, group, seeded, weighted } from "../../support/cluster-fixture.ts";

interface Options {
  readonly lbPolicy?: Cluster["lbPolicy"];
  readonly panicThreshold?: number;
  readonly byLocality?: boolean;
}

/** A set that notes who left, and how its content looked at that moment. */
function makeSet({ lbPolicy = "ROUND_ROBIN", panicThreshold = 50, byLocality = false }: Options = {}) {
  const removed: EndpointState[] = [];
  const stats = { lbHealthyPanic: 0 };
  const random = seeded(11);
  const set = new EndpointSet({
    makeBalancer: () => balancerOf(cluster({ lbPolicy }), random),
    random,
    panicThreshold,
    byLocality,
    onRemoved: (gone) => removed.push(gone),
    stats,
  });
  return { set, removed, stats };
}

/** Share of picks per address, in percent of `picks`. */
function shares(set: EndpointSet, picks = 10_000): { [text: string]: number } {
  const share: { [text: string]: number } = {};
  for (let i = 0; i < picks; i++) {
    const text = set.choose(null)?.text ?? "none";
    share[text] = (share[text] ?? 0) + 100 / picks;
  }
  for (const text in share) share[text] = Math.round(share[text]);
  return share;
}

function texts(set: EndpointSet): string[] {
  return Array.from(set.endpoints, (one) => one.text);
}

describe("update by difference", () => {
  test("who stays keeps state and pool, who goes is reported after the new content is in force", () => {
    const order: string[] = [];
    const { set } = makeSet();
    set.configure({
      makeBalancer: () => balancerOf(cluster(), seeded(1)),
      random: seeded(1),
      panicThreshold: 50,
      byLocality: false,
      stats: { lbHealthyPanic: 0 },
      onRemoved: (gone) => {
        expect(gone.live).toBe(false);
        expect(set.choose(null)?.text).not.toBe(gone.text);
        order.push(`${gone.text}, left: ${texts(set)}`);
      },
    });
    set.apply(assignment(group([endpoint("10.0.0.1:80"), endpoint("10.0.0.2:80")])));
    const kept = set.find("10.0.0.2:80") as EndpointState;
    kept.pool = "its pool";
    kept.rqTotal = 7;

    const change = set.apply(
      assignment(group([endpoint("10.0.0.2:80", { weight: 3 }), endpoint("10.0.0.3:80")])),
    );

    expect(change).toEqual({ added: 1, removed: 1, changed: true });
    expect(order).toEqual(["10.0.0.1:80, left: 10.0.0.2:80,10.0.0.3:80"]);
    expect(set.find("10.0.0.2:80")).toBe(kept);
    expect(kept).toMatchObject({ pool: "its pool", rqTotal: 7, weight: 3, live: true });
    expect(set.find("10.0.0.1:80")).toBeNull();
  });

  test("an endpoint that comes back is a new one", () => {
    const { set, removed } = makeSet();
    set.apply(assignment(group(weighted(1))));
    const first = set.find("10.0.0.1:80");
    set.apply(assignment());
    expect(removed).toEqual([first as EndpointState]);
    expect(set.choose(null)).toBeNull();
    set.apply(assignment(group(weighted(1))));
    expect(set.find("10.0.0.1:80")).not.toBe(first);
  });

  test("the same content in another order changes nothing; weight, health, priority and locality do", () => {
    const { set } = makeSet();
    const [a, b, c] = weighted(1, 2, 3);
    set.apply(assignment(group([a, b, c])));
    expect(set.apply(assignment(group([c, a, b]))).changed).toBe(false);
    expect(set.apply(assignment(group([{ ...a, weight: 9 }, b, c]))).changed).toBe(true);
    expect(set.apply(assignment(group([a, { ...b, health: "UNHEALTHY" }, c]))).changed).toBe(true);
    expect(set.apply(assignment(group([a, b, c], { priority: 1 }))).changed).toBe(true);
    expect(set.apply(assignment(group([a, b, c], { priority: 1, weight: 5 }))).changed).toBe(true);
    expect(
      set.apply({ ...assignment(group([a, b, c], { priority: 1, weight: 5 })), overprovisioningFactor: 100 }),
    ).toMatchObject({ changed: true });
  });

  test("an unchanged assignment does not disturb the balancers", () => {
    const { set } = makeSet();
    let updates = 0;
    set.configure({
      makeBalancer: () => ({ update: () => updates++, pick: () => null }),
      random: seeded(1),
      panicThreshold: 50,
      byLocality: false,
      stats: { lbHealthyPanic: 0 },
      onRemoved: () => {},
    });
    const [a, b] = weighted(1, 2);
    for (const order of [
      [a, b],
      [b, a],
      [a, b],
    ]) {
      set.apply(assignment(group(order)));
      set.choose(null);
    }
    expect(updates).toBe(1);
  });

  test("an address listed twice counts once, where it comes first", () => {
    const { set } = makeSet();
    const twice = endpoint("10.0.0.1:80", { weight: 4 });
    set.apply(
      assignment(group([twice, endpoint("10.0.0.1:80", { weight: 9 })]), group([twice], { priority: 1 })),
    );
    expect(set.total).toBe(1);
    expect(set.find("10.0.0.1:80")).toMatchObject({ weight: 4, priority: 0 });
  });

  test("Unix sockets and IPv6 are endpoints like any other", () => {
    const { set } = makeSet();
    const unix: Endpoint = { ...endpoint("x:0"), address: { ip: "", port: 0, path: "/run/app.sock" } };
    const six: Endpoint = { ...endpoint("x:0"), address: { ip: "::1", port: 80, path: "" } };
    set.apply(assignment(group([unix, six])));
    expect(texts(set)).toEqual(["/run/app.sock", "[::1]:80"]);
  });

  test("property: after any sequence of assignments the set is the last one, and every departure was told once", () => {
    const address = fc.integer({ min: 1, max: 8 }).map((n) => `10.0.0.${n}:80`);
    const one = fc
      .record({
        address,
        weight: fc.integer({ min: 1, max: 3 }),
        health: fc.constantFrom<Endpoint["health"]>("HEALTHY", "UNHEALTHY", "DEGRADED"),
      })
      .map(({ address: text, weight, health }) => endpoint(text, { weight, health }));
    const load = fc
      .array(
        fc.record({ priority: fc.nat(2), weight: fc.nat(3), endpoints: fc.array(one, { maxLength: 6 }) }),
        {
          maxLength: 4,
        },
      )
      .map((groups) => assignment(...groups.map((g) => group(g.endpoints, g))));
    fc.assert(
      fc.property(fc.array(load, { minLength: 1, maxLength: 8 }), fc.boolean(), (loads, byLocality) => {
        const { set, removed } = makeSet({ byLocality });
        let before = new Map<string, EndpointState>();
        for (const next of loads) {
          removed.length = 0;
          set.apply(next);
          const wanted = firstByAddress(next);
          const now = new Map(Array.from(set.endpoints, (state) => [state.text, state]));
          expect([...now.keys()].sort()).toEqual([...wanted.keys()].sort());
          for (const [text, state] of now) {
            const want = wanted.get(text) as Endpoint;
            expect(state).toMatchObject({ weight: want.weight, configuredHealth: want.health, live: true });
            if (before.has(text)) expect(state).toBe(before.get(text) as EndpointState);
          }
          const gone = [...before.keys()].filter((text) => !now.has(text)).sort();
          expect(removed.map((state) => state.text).sort()).toEqual(gone);
          for (let i = 0; i < 5; i++) {
            const picked = set.choose(null);
            if (picked !== null) expect(now.get(picked.text)).toBe(picked);
          }
          expect(set.healthy).toBe([...now.values()].filter((state) => state.health === 0).length);
          before = now;
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

function firstByAddress(load: ClusterLoadAssignment): Map<string, Endpoint> {
  const found = new Map<string, Endpoint>();
  for (const { endpoints } of load.localities) {
    for (const one of endpoints) {
      const text = `${one.address.ip}:${one.address.port}`;
      if (!found.has(text)) found.set(text, one);
    }
  }
  return found;
}

describe("which endpoints are asked", () => {
  const [a, b, c, d] = weighted(1, 1, 1, 1);
  const sick = (one: Endpoint): Endpoint => ({ ...one, health: "UNHEALTHY" });

  test("only healthy ones, while enough are", () => {
    const { set, stats } = makeSet();
    set.apply(assignment(group([a, b, sick(c), { ...d, health: "DRAINING" }])));
    expect(shares(set)).toEqual({ "10.0.0.1:80": 50, "10.0.0.2:80": 50 });
    expect(stats.lbHealthyPanic).toBe(0);
  });

  test("all of them in panic, and every such pick is counted", () => {
    const { set, stats } = makeSet();
    set.apply(assignment(group([a, sick(b), sick(c), sick(d)])));
    expect(shares(set, 400)).toEqual({
      "10.0.0.1:80": 25,
      "10.0.0.2:80": 25,
      "10.0.0.3:80": 25,
      "10.0.0.4:80": 25,
    });
    expect(stats.lbHealthyPanic).toBe(400);
  });

  test("nobody, if nobody is healthy and panic is off", () => {
    const { set } = makeSet({ panicThreshold: 0 });
    set.apply(assignment(group([sick(a), sick(b)])));
    expect(set.choose(null)).toBeNull();
  });

  test("a lower priority takes what the higher cannot", () => {
    const { set } = makeSet();
    set.apply(assignment(group([a, sick(b)]), group([c], { priority: 1 })));
    expect(shares(set)["10.0.0.1:80"]).toBeCloseTo(70, -1);
    expect(shares(set)["10.0.0.3:80"]).toBeCloseTo(30, -1);
    set.apply(assignment(group([a, b]), group([c], { priority: 1 })));
    expect(shares(set)).toEqual({ "10.0.0.1:80": 50, "10.0.0.2:80": 50 });
    set.apply(assignment(group([sick(a), sick(b)]), group([c], { priority: 1 })));
    expect(shares(set)).toEqual({ "10.0.0.3:80": 100 });
  });

  test("degraded ones get the rest only", () => {
    const { set } = makeSet();
    set.apply(assignment(group([a, { ...b, health: "DEGRADED" }])));
    const share = shares(set);
    expect(share["10.0.0.1:80"]).toBeCloseTo(70, -1);
    expect(share["10.0.0.2:80"]).toBeCloseTo(30, -1);
  });

  test("a hole in the priorities is an empty level", () => {
    const { set } = makeSet();
    set.apply(assignment(group([sick(a)]), group([b], { priority: 2 })));
    expect(shares(set)).toEqual({ "10.0.0.2:80": 100 });
  });
});

describe("weighted localities", () => {
  const east = { region: "east", zone: "", subZone: "" };
  const west = { region: "west", zone: "", subZone: "" };
  const [a, b, c, d] = weighted(1, 1, 1, 1);

  test("off: locality weights do not matter", () => {
    const { set } = makeSet();
    set.apply(
      assignment(group([a], { locality: east, weight: 9 }), group([b], { locality: west, weight: 1 })),
    );
    expect(shares(set)).toEqual({ "10.0.0.1:80": 50, "10.0.0.2:80": 50 });
  });

  test("on: first the locality, then the endpoint", () => {
    const { set } = makeSet({ byLocality: true });
    set.apply(
      assignment(group([a], { locality: east, weight: 1 }), group([b, c, d], { locality: west, weight: 3 })),
    );
    expect(shares(set)).toEqual({
      "10.0.0.1:80": 25,
      "10.0.0.2:80": 25,
      "10.0.0.3:80": 25,
      "10.0.0.4:80": 25,
    });
    set.apply(
      assignment(group([a], { locality: east, weight: 3 }), group([b, c, d], { locality: west, weight: 1 })),
    );
    expect(shares(set)["10.0.0.1:80"]).toBe(75);
  });

  test("on: a locality with weight 0, or with nobody healthy, gets nothing", () => {
    const { set } = makeSet({ byLocality: true });
    set.apply(
      assignment(group([a, b], { locality: east, weight: 5 }), group([c], { locality: west, weight: 0 })),
    );
    expect(shares(set)).toEqual({ "10.0.0.1:80": 50, "10.0.0.2:80": 50 });
    set.apply(
      assignment(
        group([{ ...a, health: "UNHEALTHY" }], { locality: east, weight: 5 }),
        group([c, d], { locality: west, weight: 1 }),
      ),
    );
    expect(shares(set)).toEqual({ "10.0.0.3:80": 50, "10.0.0.4:80": 50 });
  });

  test("on: a half-sick locality gets 1.4 × its healthy part of its weight", () => {
    const { set } = makeSet({ byLocality: true });
    set.apply(
      assignment(
        group([a, { ...b, health: "UNHEALTHY" }], { locality: east, weight: 1 }),
        group([c, d], { locality: west, weight: 1 }),
      ),
    );
    expect(shares(set)["10.0.0.1:80"]).toBe(Math.round(70 / 1.7));
  });

  test("on: a draining endpoint does not cost its locality weight", () => {
    const { set } = makeSet({ byLocality: true });
    set.apply(
      assignment(
        group([a, { ...b, health: "DRAINING" }], { locality: east, weight: 1 }),
        group([c], { locality: west, weight: 1 }),
      ),
    );
    expect(shares(set)).toEqual({ "10.0.0.1:80": 50, "10.0.0.3:80": 50 });
  });

  test("the same locality twice is one", () => {
    const { set } = makeSet({ byLocality: true });
    set.apply(
      assignment(
        group([a], { locality: east, weight: 1 }),
        group([b], { locality: east, weight: 3 }), // the last weight holds
        group([c], { locality: west, weight: 3 }),
      ),
    );
    expect(shares(set)).toEqual({ "10.0.0.1:80": 25, "10.0.0.2:80": 25, "10.0.0.3:80": 50 });
  });
});

describe("selection context", () => {
  test("a rejected pick is repeated so many times, the last one is taken", () => {
    const { set } = makeSet();
    set.apply(assignment(group(weighted(1, 1, 1))));
    let asked = 0;
    const refuseAll = {
      hostSelectionAttempts: 5,
      rejects: () => {
        asked++;
        return true;
      },
    };
    expect(set.choose(refuseAll)).not.toBeNull();
    expect(asked).toBe(5);
  });

  test("an acceptable one is found, and nothing is asked of an empty set", () => {
    const { set } = makeSet();
    set.apply(assignment(group(weighted(1, 1, 1))));
    const context = { hostSelectionAttempts: 3, rejects: (one: EndpointState) => one.text !== "10.0.0.2:80" };
    for (let i = 0; i < 10; i++) expect(set.choose(context)?.text).toBe("10.0.0.2:80");
    set.apply(assignment());
    expect(set.choose(context)).toBeNull();
  });
});
