/** The virtual network: what a scripted peer and a driver's socket see of each other. */
import { describe, expect, test } from "bun:test";
import type { Socket, SocketHandler } from "../../../core/io/socket.ts";
import { at, Network, type NetworkOptions } from "../../../runtime-adapters/memory/network.ts";

/** A core that does nothing by itself, and writes down what happens to its sockets. */
function recorder(options: NetworkOptions = {}) {
  const network = new Network(options);
  const driver = network.createDriver();
  const alarms: number[] = [];
  let deadline = Number.POSITIVE_INFINITY;
  driver.attach({
    nextDeadline: () => deadline,
    expire() {
      if (driver.clock.now < deadline) return;
      deadline = Number.POSITIVE_INFINITY;
      alarms.push(driver.clock.now);
    },
  });
  const log: string[] = [];
  const handler = (name: string, reply?: (text: string) => void): SocketHandler => ({
    onConnect: () => log.push(`${name} connected`),
    onData: (chunk) => {
      const text = String.fromCharCode(...chunk);
      log.push(`${name} ${text.length > 20 ? `${text.length} bytes` : text}`);
      reply?.(text);
    },
    onEnd: () => log.push(`${name} end`),
    onBlocked: () => log.push(`${name} blocked`),
    onDrain: () => log.push(`${name} drained`),
    onClose: (reason) => log.push(`${name} closed ${reason}`.trim()),
  });
  const sockets: Socket[] = [];
  const listener = driver.listenNow(at("0.0.0.0:80"), undefined, (socket) => {
    sockets.push(socket);
    return handler(`#${sockets.length}`);
  });
  const wake = (at: number) => driver.run(() => (deadline = at));
  return { network, driver, log, handler, sockets, listener, alarms, wake };
}

describe("virtual network", () => {
  test("a client says hello and gets an answer two latencies after its SYN-ACK", () => {
    const { network, driver, log, sockets } = recorder({ latency: 10 });
    const client = network.dial(at("10.0.0.7:80")).send("hello");
    network.advance(29.9);
    expect(log).toEqual([]);
    network.advance(0.1);
    expect(log).toEqual(["#1 hello"]);
    expect(sockets[0].local).toEqual(at("10.0.0.7:80"));
    driver.run(() => {
      sockets[0].write(new Uint8Array([104, 105, 33, 33]), 0, 3);
      sockets[0].end();
    });
    network.advance(10);
    expect(client.received).toBe("hi!");
    expect(client.ended).toBe(true);
    client.end();
    network.runUntilIdle();
    expect(log).toEqual(["#1 hello", "#1 end", "#1 closed"]);
    expect([client.closed, client.closeReason]).toEqual([true, ""]);
  });

  test("nothing is connected or closed before the call that asked for it returned", () => {
    const { network, driver, log, handler } = recorder();
    network.serve(at("10.0.0.1:9"));
    driver.run(() => {
      driver.platform.connect(at("10.0.0.1:9"), handler("up"));
      driver.platform.connect(at("10.0.0.1:10"), handler("none")).close();
      log.push("returned");
    });
    network.runUntilIdle();
    expect(log).toEqual(["returned", "none closed", "up connected"]);
  });

  test("dials fail the way kernels fail them", () => {
    const { network, driver, log, handler } = recorder({ latency: 1 });
    network.failConnects(at("10.0.0.2:1"), "EHOSTUNREACH");
    network.failConnects(at("10.0.0.3:1"), "ETIMEDOUT");
    driver.run(() => {
      for (const target of ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "/run/none.sock"]) {
        driver.platform.connect(at(target), handler(target));
      }
    });
    network.advance(2);
    expect(log).toEqual([
      "10.0.0.2:1 closed EHOSTUNREACH",
      "10.0.0.1:1 closed ECONNREFUSED",
      "/run/none.sock closed ENOENT",
    ]);
    network.runUntilIdle();
    expect(log.at(-1)).toBe("10.0.0.3:1 closed ETIMEDOUT");
    expect(network.now).toBe(130_000);
  });

  test("a reader who stops blocks the writer; reading on drains it", () => {
    const { network, driver, log, sockets } = recorder({ buffer: 1000 });
    const client = network.dial(at("10.0.0.1:80")).pause();
    network.runUntilIdle();
    driver.run(() => sockets[0].write(new Uint8Array(2500), 0, 2500));
    expect(log).toEqual(["#1 blocked"]);
    expect(sockets[0].pendingBytes).toBe(1500);
    network.runUntilIdle();
    expect(client.receivedBytes).toBe(0);
    client.resume();
    network.runUntilIdle();
    expect(client.receivedBytes).toBe(2500);
    expect(log).toEqual(["#1 blocked", "#1 drained"]);
  });

  test("a driver that pauses holds the client back, too", () => {
    const { network, driver, log, sockets } = recorder({ buffer: 1000 });
    const client = network.dial(at("10.0.0.1:80"));
    network.runUntilIdle();
    driver.run(() => sockets[0].pause());
    client.send("x".repeat(3000));
    network.runUntilIdle();
    expect([log, client.unsentBytes]).toEqual([[], 2000]);
    driver.run(() => sockets[0].resume());
    network.runUntilIdle();
    expect([log, client.unsentBytes]).toEqual([["#1 1000 bytes", "#1 1000 bytes", "#1 1000 bytes"], 0]);
  });

  test("bandwidth takes its time", () => {
    const { network } = recorder({ bandwidth: 100, buffer: 1e6 });
    const server = network.serve(at("10.0.0.9:1"));
    network.dial(at("10.0.0.9:1")).send("x".repeat(10_000));
    network.advance(99);
    expect(server.peers[0].receivedBytes).toBe(0);
    network.advance(1);
    expect(server.peers[0].receivedBytes).toBe(10_000);
  });

  test("RST, and the silence of a peer that vanished", () => {
    const { network, driver, log, sockets } = recorder({ latency: 1 });
    const rude = network.dial(at("10.0.0.1:80"));
    const lost = network.dial(at("10.0.0.1:80"));
    network.advance(5);
    rude.reset();
    lost.send("last words");
    network.advance(5);
    lost.vanish();
    driver.run(() => sockets[1].write(new Uint8Array(9), 0, 9));
    lost.send("unheard").end();
    network.advance(100_000);
    expect(log).toEqual(["#1 closed ECONNRESET", "#2 last words"]);
    expect(lost.received).toBe("");
  });

  test("writing to a peer that went away brings its RST", () => {
    const { network, driver, log, sockets } = recorder();
    const client = network.dial(at("10.0.0.1:80"));
    network.runUntilIdle();
    client.close();
    network.runUntilIdle();
    driver.run(() => sockets[0].write(new Uint8Array(1), 0, 1));
    network.runUntilIdle();
    expect(log).toEqual(["#1 end", "#1 closed ECONNRESET"]);
  });

  test("the same seed splits reads in the same places; another seed does not", () => {
    const run = (seed: number) => {
      const { network, log } = recorder({ seed, splitReads: true, maxRead: 7, latency: 1, jitter: 3 });
      network.dial(at("10.0.0.1:80")).send("the quick brown fox jumps over the lazy dog").end();
      network.runUntilIdle();
      return log;
    };
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
    expect(
      run(7)
        .slice(0, -1)
        .map((line) => line.slice(3))
        .join(""),
    ).toBe("the quick brown fox jumps over the lazy dog");
  });

  test("the alarm goes off once, at its time", () => {
    const { network, alarms, wake } = recorder();
    wake(500);
    wake(300);
    network.runUntilIdle();
    expect(alarms).toEqual([300]);
    expect(network.now).toBe(300);
  });

  test("an exception costs one connection", () => {
    const { network, driver, log, handler } = recorder();
    driver.listenNow(at("0.0.0.0:81"), undefined, () => ({
      ...handler("bad"),
      onData() {
        throw new Error("a bug");
      },
    }));
    const victim = network.dial(at("10.0.0.1:81")).send("x");
    const other = network.dial(at("10.0.0.1:80")).send("y");
    network.runUntilIdle();
    expect([driver.faults, victim.closeReason, other.closed]).toEqual([1, "ECONNRESET", false]);
    expect(log).toEqual(["#1 y", "bad closed ECONNABORTED"]);
  });

  test("out of descriptors, connections wait and are counted", () => {
    const { network, driver, log } = recorder();
    driver.maxSockets = 1;
    const first = network.dial(at("10.0.0.1:80")).send("one");
    network.dial(at("10.0.0.1:80")).send("two");
    network.advance(250);
    expect([log, driver.acceptFailures]).toEqual([["#1 one"], 3]);
    first.reset();
    network.advance(100);
    expect(log).toEqual(["#1 one", "#1 closed ECONNRESET", "#2 two"]);
  });

  test("names resolve by family, late, or never", () => {
    const { network, driver } = recorder({ latency: 1 });
    const answers: unknown[] = [];
    network.name("db", ["fd00::1", "10.1.0.1", "10.1.0.2"], 3000);
    network.silenceName("dead");
    for (const [name, family] of [
      ["db", "v4_only"],
      ["db", "auto"],
      ["nope", "auto"],
      ["dead", "auto"],
    ] as const) {
      driver.platform.resolve(name, family, (r) => answers.push([name, r.addresses, r.ttl, r.error]));
    }
    expect(answers).toEqual([]);
    network.runUntilIdle();
    expect(answers).toEqual([
      ["db", ["10.1.0.1", "10.1.0.2"], 3000, ""],
      ["db", ["fd00::1"], 3000, ""],
      ["nope", [], 0, "ENOTFOUND"],
      ["dead", [], 0, "ETIMEOUT"],
    ]);
    expect(network.now).toBe(20_000);
  });

  test("a driver that closes leaves nothing behind", () => {
    const { network, driver, log, wake } = recorder();
    const client = network.dial(at("10.0.0.1:80"));
    network.runUntilIdle();
    wake(1000);
    driver.close();
    network.runUntilIdle();
    expect([driver.openSockets, client.ended, log]).toEqual([0, true, ["#1 closed"]]);
    expect(network.dial(at("10.0.0.1:80")).closed).toBe(false);
    network.runUntilIdle();
  });
});
