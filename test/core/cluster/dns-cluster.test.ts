import { describe, expect, test } from "bun:test";
import { DnsCluster } from "../../../core/cluster/dns-cluster.ts";
import type { Cluster, ClusterLoadAssignment } from "../../../core/config/model.ts";
import {
  assignment,
  cluster,
  DNS,
  endpoint,
  group,
  NameServer,
  seeded,
} from "../../support/cluster-fixture.ts";

/** A DNS cluster, its name server, and a transcript of what it reported. */
function start(differs: Partial<Cluster>, server = new NameServer(), previous: DnsCluster | null = null) {
  const heard: string[] = [];
  const assignments: ClusterLoadAssignment[] = [];
  const dns = new DnsCluster(
    cluster({ type: "STRICT_DNS", loadAssignment: assignment(group([endpoint("app.test:80")])), ...differs }),
    { platform: server.platform, clock: server.clock, timers: server.timers, random: seeded(5) },
    {
      onEndpoints: (resolved) => {
        assignments.push(resolved);
        const texts = resolved.localities.flatMap((l) =>
          l.endpoints.map((e) => `${e.address.ip}:${e.address.port}`),
        );
        heard.push(`endpoints ${texts.join(" ")}`.trim());
      },
      onReady: () => heard.push("ready"),
      onAttempt: () => {},
      onSuccess: (empty) => empty && heard.push("empty"),
      onFailure: (hostname, error) => heard.push(`${hostname} failed: ${error}`),
    },
    previous,
  );
  dns.start();
  /** What was reported since the last look. */
  const news = (): string[] => heard.splice(0);
  return { dns, server, news, assignments };
}

describe("STRICT_DNS", () => {
  test("every address of the answer is an endpoint with the name as host name", () => {
    const { server, news, assignments } = start({
      loadAssignment: assignment(
        group([endpoint("app.test:80", { weight: 3, health: "UNKNOWN" })], { priority: 1 }),
      ),
    });
    expect(news()).toEqual([]);
    server.answer("app.test", ["10.0.0.1", "10.0.0.2", "::1"]);
    expect(news()).toEqual(["endpoints 10.0.0.1:80 10.0.0.2:80 ::1:80", "ready"]);
    const [{ priority, endpoints }] = assignments[0].localities;
    expect(priority).toBe(1);
    for (const one of endpoints)
      expect(one).toMatchObject({ hostname: "app.test", weight: 3, health: "UNKNOWN" });
  });

  test("a configured host name is kept", () => {
    const { server, assignments } = start({
      loadAssignment: assignment(group([endpoint("app.test:80", { hostname: "public.test" })])),
    });
    server.answer("app.test", ["10.0.0.1"]);
    expect(assignments[0].localities[0].endpoints[0].hostname).toBe("public.test");
  });

  test("asks again every refresh interval after the answer, and reports changes only", () => {
    const { server, news } = start({});
    server.pass(300);
    server.answer("app.test", ["10.0.0.1", "10.0.0.2"]);
    news();
    server.pass(4999);
    expect(server.questions).toHaveLength(0);
    server.pass(1);
    expect(server.questions.map((q) => q.at)).toEqual([5300]);
    server.answer("app.test", ["10.0.0.2", "10.0.0.1"]); // rotated: the same set
    expect(news()).toEqual([]);
    server.pass(5000);
    server.answer("app.test", ["10.0.0.2", "10.0.0.3"]);
    expect(news()).toEqual(["endpoints 10.0.0.2:80 10.0.0.3:80"]);
    server.pass(5000);
    server.answer("app.test", ["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    expect(news()).toEqual(["endpoints 10.0.0.2:80 10.0.0.3:80 10.0.0.4:80"]);
    server.pass(5000);
    server.answer("app.test", ["10.0.0.3"]);
    expect(news()).toEqual(["endpoints 10.0.0.3:80"]);
  });

  test("never two questions for one name at a time, however long the resolver takes", () => {
    const { server } = start({});
    server.pass(60_000);
    expect(server.asked).toBe(1);
  });

  test("TTL: followed only if asked for, and never when 0", () => {
    const plain = start({});
    plain.server.answer("app.test", { addresses: ["10.0.0.1"], ttl: 30_000 });
    plain.server.pass(5000);
    expect(plain.server.asked).toBe(2);

    const { server } = start({ dns: { ...DNS, respectTtl: true } });
    server.answer("app.test", { addresses: ["10.0.0.1"], ttl: 30_000 });
    server.pass(29_999);
    expect(server.asked).toBe(1);
    server.pass(1);
    server.answer("app.test", { addresses: ["10.0.0.1"], ttl: 0 });
    server.pass(4999);
    expect(server.asked).toBe(2);
    server.pass(1);
    expect(server.asked).toBe(3);
  });

  test("jitter adds up to its bound", () => {
    const { server } = start({ dns: { ...DNS, jitter: 1000 } });
    const waits: number[] = [];
    let last = 0;
    for (let i = 0; i < 50; i++) {
      server.answer("app.test", ["10.0.0.1"]);
      server.pass(6000);
      waits.push(server.questions[0].at - last);
      last = server.clock.now;
    }
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...waits)).toBeLessThan(6000);
    expect(new Set(waits).size).toBeGreaterThan(40);
  });

  test("a failure keeps the endpoints; without a failure rate it asks again at the refresh rate", () => {
    const { server, news } = start({});
    server.answer("app.test", ["10.0.0.1"]);
    news();
    server.pass(5000);
    server.answer("app.test", { error: "ETIMEOUT" });
    expect(news()).toEqual(["app.test failed: ETIMEOUT"]);
    server.pass(4999);
    expect(server.questions).toHaveLength(0);
    server.pass(1);
    server.answer("app.test", ["10.0.0.1"]);
    expect(news()).toEqual([]); // nothing changed meanwhile
  });

  test("failure back-off: random below 1 s, 2 s, 4 s, 4 s …, and short again after a success", () => {
    const dns = { ...DNS, failureRefreshBase: 1000, failureRefreshMax: 4000 };
    const { server } = start({ dns });
    const wait = (result: { error?: string; addresses?: string[] }): number => {
      const asked = server.clock.now;
      server.answer("app.test", result);
      while (server.questions.length === 0) server.pass(1);
      return server.questions[0].at - asked;
    };
    const bounds = [1000, 2000, 4000, 4000, 4000];
    const longest = bounds.map(() => 0);
    for (let run = 0; run < 30; run++) {
      for (let n = 0; n < bounds.length; n++) longest[n] = Math.max(longest[n], wait({ error: "ESERVFAIL" }));
      expect(wait({ addresses: ["10.0.0.1"] })).toBe(5000);
    }
    for (let n = 0; n < bounds.length; n++) {
      expect(longest[n]).toBeLessThanOrEqual(bounds[n]);
      expect(longest[n]).toBeGreaterThan(bounds[n] * 0.8);
    }
  });

  test("an answer without addresses and without error is an answer: no endpoints", () => {
    const { server, news } = start({});
    server.answer("app.test", ["10.0.0.1"]);
    server.pass(5000);
    news();
    server.answer("app.test", []);
    expect(news()).toEqual(["empty", "endpoints"]);
  });

  test("several names: each on its own clock, all in one assignment", () => {
    const { server, news } = start({
      loadAssignment: assignment(
        group([endpoint("a.test:80"), endpoint("b.test:81"), endpoint("a.test:82")]),
      ),
    });
    expect(server.questions.map((q) => q.hostname)).toEqual(["a.test", "b.test"]); // a name is asked once
    server.answer("a.test", ["10.0.0.1"]);
    expect(news()).toEqual(["endpoints 10.0.0.1:80 10.0.0.1:82", "ready"]);
    server.pass(100);
    server.answer("b.test", ["10.0.0.2"]);
    expect(news()).toEqual(["endpoints 10.0.0.1:80 10.0.0.2:81 10.0.0.1:82"]);
    server.pass(5000);
    expect(server.questions.map((q) => `${q.hostname} ${q.at}`)).toEqual(["a.test 5000", "b.test 5100"]);
  });

  test("ready: when some name has an address, or all were asked in vain", () => {
    const two = assignment(group([endpoint("a.test:80"), endpoint("b.test:80")]));
    const one = start({ loadAssignment: two });
    one.server.answer("a.test", { error: "ENOTFOUND" });
    expect(one.news()).toEqual(["a.test failed: ENOTFOUND"]);
    one.server.answer("b.test", { error: "ENOTFOUND" });
    expect(one.news()).toEqual(["b.test failed: ENOTFOUND", "ready"]);
  });

  test("nothing to ask for: ready at once", () => {
    expect(start({ loadAssignment: assignment() }).news()).toEqual(["endpoints", "ready"]);
  });

  test("the lookup family is passed on", () => {
    const { server } = start({ dns: { ...DNS, lookupFamily: "v6_only" } });
    expect(server.questions[0].family).toBe("v6_only");
  });

  test("after stop nothing is asked and nothing reported, not even the answer on its way", () => {
    const { dns, server, news } = start({});
    dns.stop();
    server.answer("app.test", ["10.0.0.1"]);
    server.pass(60_000);
    expect(news()).toEqual([]);
    expect([server.asked, server.timers.size]).toEqual([1, 0]);
  });

  test("a changed configuration keeps the addresses of names that stay, and asks for all anew", () => {
    const first = start({});
    first.server.answer("app.test", ["10.0.0.1"]);
    first.dns.stop();
    const changed = start(
      { loadAssignment: assignment(group([endpoint("app.test:8080"), endpoint("new.test:80")])) },
      first.server,
      first.dns,
    );
    expect(changed.news()).toEqual(["endpoints 10.0.0.1:8080", "ready"]);
    changed.server.answer("new.test", ["10.0.0.9"]);
    expect(changed.news()).toEqual(["endpoints 10.0.0.1:8080 10.0.0.9:80"]);
    expect(changed.server.questions.map((q) => q.hostname)).toEqual(["app.test"]);
  });
});

describe("LOGICAL_DNS", () => {
  test("the first address only; a new order is a new address, more addresses behind it are not", () => {
    const { server, news } = start({ type: "LOGICAL_DNS" });
    server.answer("app.test", ["10.0.0.1", "10.0.0.2"]);
    expect(news()).toEqual(["endpoints 10.0.0.1:80", "ready"]);
    server.pass(5000);
    server.answer("app.test", ["10.0.0.1", "10.0.0.3"]);
    expect(news()).toEqual([]);
    server.pass(5000);
    server.answer("app.test", ["10.0.0.2", "10.0.0.1"]);
    expect(news()).toEqual(["endpoints 10.0.0.2:80"]);
  });

  test("an empty answer is a failure: the host stays", () => {
    const { server, news } = start({ type: "LOGICAL_DNS" });
    server.answer("app.test", ["10.0.0.1"]);
    server.pass(5000);
    news();
    server.answer("app.test", []);
    expect(news()).toEqual(["app.test failed: no address"]);
    server.pass(5000);
    expect(server.asked).toBe(3);
  });
});
