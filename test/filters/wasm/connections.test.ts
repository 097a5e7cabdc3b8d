/**
 * Network filters as WASM guests, before a TCP proxy to 10.0.0.1:8080: what a guest is told and in which order, what
 * it holds and changes, what it may ask, and what its traps cost.
 */
import { afterEach, describe, expect, test } from "bun:test";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { checkedPlugin } from "../../../filters/wasm/plugin-config.ts";
import { SharedStore } from "../../../filters/wasm/shared-store.ts";
import { vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { moduleKey, WasmHost } from "../../../filters/wasm/wasm-host.ts";
import { at } from "../../../runtime-adapters/memory/network.ts";
import { answers, type Script, Story, silent } from "../../support/engine-story.ts";
import { guest, HAS_ASSEMBLER, onCallback, pairs, tried, type Wat } from "../../support/guest.ts";
import { type Plugin, pluginJson, WASM_TYPE } from "../../support/plugin-fixture.ts";
import { ProxyFixture } from "../../support/proxy-fixture.ts";
import { cluster, ip, listener, snapshot, tcpProxy } from "../../support/snapshot-fixture.ts";

const wat = (text: string): Wat => ({ wat: text });

interface ConnectionStory {
  readonly s: Story;
  /** Takes what the guest said so far, without its name. */
  said(): string[];
  /** Gives the plugin another guest. */
  supply(guest: CompiledModule): void;
}

interface Setup {
  readonly origin?: Script;
  /** Of the cluster "auth" at 10.0.0.9:8080. */
  readonly auth?: Script;
}

let over: (() => Promise<void>) | null = null;

/** The plugin "p" on every connection to 127.0.0.1:80. */
async function connections(plugin: Plugin, setup: Setup = {}): Promise<ConnectionStory> {
  const host = new WasmHost(0, {}, () => undefined);
  const proxy = new ProxyFixture({}, new Map(), new Map([[WASM_TYPE, host]]));
  const config = pluginJson(plugin);
  const key = moduleKey(checkedPlugin(config, "p"), vmLimits({}, "p"));
  const shared = SharedStore.create({ threads: 1, seed: [1, 2], bytes: 1 << 20 });
  const supply = (module: CompiledModule) =>
    proxy.run(() => host.setSupply({ modules: new Map([[key, module]]), runtime: {}, shared }));
  supply(plugin.guest as CompiledModule);
  const origins = [
    proxy.network.serve(at("10.0.0.1:8080"), setup.origin ?? silent),
    proxy.network.serve(at("10.0.0.9:8080"), setup.auth ?? silent),
  ];
  const clusters = [cluster("app", [ip("10.0.0.1", 8080)]), cluster("auth", [ip("10.0.0.9", 8080)])];
  const made = snapshot([listener("web", ip("127.0.0.1", 80), tcpProxy())], clusters);
  const networkFilters = [{ name: "p", typeName: WASM_TYPE, config }];
  const listeners = made.listeners.map((each) => ({
    ...each,
    filterChains: each.filterChains.map((one) => ({ ...one, networkFilters })),
  }));
  await proxy.apply({ ...made, listeners });
  const s = new Story(proxy, origins);
  over = async () => {
    await s.apply(snapshot([], []));
    s.expectNothingLeft();
  };
  let seen = 0;
  const said = () => {
    const lines = proxy.messages.slice(seen).filter((line) => / wasm /.test(line));
    seen = proxy.messages.length;
    return lines.map((line) => line.replace(/^info wasm p: /, ""));
  };
  return { s, said, supply };
}

afterEach(async () => {
  await over?.();
  over = null;
});

/** Says every callback with its numbers. */
const watching = () => guest`
  (func $here (param $what i32) (param $size i32) (param $id i32) (call $tell (local.get $what) (local.get $size) (local.get $id)))
  (func $both (param $what i32) (param $size i32) (param $n i32) (param $ends i32)
    (call $tell (local.get $what) (local.get $size) (i32.add (i32.mul (local.get $n) #10) (local.get $ends))))
  (on context_create (call $here ${"create"} (local.get $id)))
  (on new_connection (call $here ${"new"} (local.get $id)) #0)
  (on downstream_data (call $both ${"down"} (local.get $a) (local.get $b)) #0)
  (on upstream_data (call $both ${"up"} (local.get $a) (local.get $b)) #0)
  (on downstream_connection_close (call $here ${"downstream close"} (local.get $a)))
  (on upstream_connection_close (call $here ${"upstream close"} (local.get $a)))
  (on log (call $here ${"log"} (local.get $id)))
  (on done (call $here ${"done"} (local.get $id)) #1)
  (on delete (call $here ${"delete"} (local.get $id)))`;

describe.skipIf(!HAS_ASSEMBLER)("a connection", () => {
  test("is told from its beginning to done, log and delete; data with its size and end", async () => {
    const { s, said } = await connections({ guest: watching() });
    expect(said()).toEqual(["create=1"]);
    const client = s.client("ping");
    s.send(s.upstream()[0], "answer");
    expect([s.upstream()[0].take(), client.take()]).toEqual(["ping", "answer"]);
    client.end();
    s.settle();
    s.upstream()[0].end();
    s.settle();
    expect(client.closed).toBe(true);
    expect(said()).toEqual([
      ...["create=2", "new=2", "down=40", "up=60", "down=1", "up=1"],
      ...["upstream close=0", "downstream close=2", "done=2", "log=2", "delete=2"],
    ]);
  });

  test("that the client resets is told as closed by the peer", async () => {
    const { s, said } = await connections({ guest: watching() });
    const client = s.client("ping");
    said();
    client.reset();
    s.settle();
    const lines = said();
    expect(lines).toContain("downstream close=2");
    expect(lines.slice(-3)).toEqual(["done=2", "log=2", "delete=2"]);
  });

  test("and another have two numbers, and each its own data", async () => {
    const { s, said } = await connections({ guest: watching() });
    const [first, second] = [s.client("a"), s.client("bb")];
    expect(said()).toEqual(["create=1", "create=2", "new=2", "down=10", "create=3", "new=3", "down=20"]);
    second.reset();
    s.settle();
    expect(said().slice(-3)).toEqual(["done=3", "log=3", "delete=3"]);
    s.send(first, "ccc");
    expect(said()).toEqual(["down=30"]);
    expect(s.upstream()[0].take()).toBe("accc");
  });
});

/** Holds the client's bytes until there are 6, and puts them in brackets. */
const collecting = () => guest`
  (on downstream_data
    (if (i32.lt_u (local.get $a) #6) (then (return #1)))
    (drop (call $get_buffer_bytes #2 #0 #100 #out))
    (call $tell_out ${"all"})
    (drop (call $set_buffer_bytes #2 #0 #0 ${"["}))
    (drop (call $set_buffer_bytes #2 #-1 #0 ${"]"}))
    #0)`;

describe.skipIf(!HAS_ASSEMBLER)("bytes", () => {
  test("that are held are shown again with those that come, and go on as the guest made them", async () => {
    const { s, said } = await connections({ guest: collecting() });
    const client = s.client("abc");
    expect(s.upstream()[0].take()).toBe("");
    s.send(client, "def");
    expect(said()).toEqual(["all=abcdef"]);
    expect(s.upstream()[0].take()).toBe("[abcdef]");
  });

  test("of the server are replaced and removed alike", async () => {
    const replaces = guest`
      (on upstream_data
        (drop (call $get_buffer_bytes #3 #0 #1 #out))
        (if (i32.eq (i32.load8_u (i32.load #16)) #120)
          (then (drop (call $set_buffer_bytes #3 #0 #-1 ${""})))
          (else (drop (call $set_buffer_bytes #3 #0 #-1 ${"other"}))))
        #0)`;
    const { s } = await connections({ guest: replaces });
    const client = s.client("?");
    s.send(s.upstream()[0], "secret");
    s.send(s.upstream()[0], "xyz");
    s.send(s.upstream()[0], "more");
    expect(client.take()).toBe("otherother");
  });

  test("that are held go on from a tick, which can read and change them until then", async () => {
    const ticking = guest`
      (global $held (mut i32) #0)
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on downstream_data (global.set $held (local.get $id)) #1)
      (on tick
        (if (i32.eqz (global.get $held)) (then (return)))
        (drop (call $set_effective_context (global.get $held)))
        (call $tell ${"set"} (call $set_buffer_bytes #2 #0 #1 ${"J"}))
        (call $tell ${"continue"} (call $continue_stream #2))
        (global.set $held #0))`;
    const { s, said } = await connections({ guest: ticking });
    s.client("hello");
    expect(s.upstream()[0].take()).toBe("");
    s.advance(100);
    expect(said()).toEqual(["set=0", "continue=0"]);
    expect(s.upstream()[0].take()).toBe("Jello");
  });

  test("are there for a guest only while they are shown or held, each side under its number", async () => {
    const lines = [
      ...[
        tried("down", "$get_buffer_bytes", 2, 0, 9, 16, 20),
        tried("up", "$get_buffer_bytes", 3, 0, 9, 16, 20),
      ],
      ...[
        tried("set down", "$set_buffer_bytes", 2, 0, 0, "x"),
        tried("set up", "$set_buffer_bytes", 3, 0, 0, "x"),
      ],
      tried("body", "$get_buffer_bytes", 0, 0, 9, 16, 20),
    ];
    const found: string[][] = [];
    for (const phase of [
      "new_connection",
      "downstream_data",
      "upstream_data",
      "downstream_connection_close",
      "log",
    ]) {
      const { s, said } = await connections({ guest: onCallback(phase, lines) });
      const client = s.client("a");
      s.send(s.upstream()[0], "b");
      client.reset();
      s.settle();
      found.push([
        phase,
        said()
          .slice(0, lines.length)
          .map((line) => line.slice(line.indexOf("=") + 1))
          .join(" "),
      ]);
      await over?.();
    }
    over = null;
    // Read from the client's and the server's bytes, change either, read a request's body.
    expect(found).toEqual([
      ["new_connection", "1 1 1 1 1"],
      ["downstream_data", "0 1 0 1 1"],
      ["upstream_data", "1 0 1 0 1"],
      ["downstream_connection_close", "1 1 1 1 1"],
      ["log", "1 1 1 1 1"],
    ]);
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a guest closes the connection", () => {
  for (const [who, stream] of [
    ["of the client", 2],
    ["of the server", 3],
  ] as const) {
    test(`${who}: both are closed, and it is told`, async () => {
      const module = guest`
        (on downstream_data (call $tell ${"close"} (call $close_stream ${wat(`#${stream}`)})) #0)
        (on downstream_connection_close (call $tell ${"downstream"} (local.get $a)))
        (on delete (call $tell ${"delete"} (local.get $id)))`;
      const { s, said } = await connections({ guest: module });
      const client = s.client("bad");
      expect(client.closed || client.ended).toBe(true);
      s.advance(1000);
      expect(said()).toEqual(["close=0", "downstream=1", "delete=2"]);
    });
  }

  test("of HTTP: those streams are none of its own, and nothing happens", async () => {
    const module = guest`
      (on downstream_data
        (call $tell ${"close"} (call $close_stream #0))
        (call $tell ${"close"} (call $close_stream #1))
        (call $tell ${"continue"} (call $continue_stream #0))
        (call $tell ${"continue"} (call $continue_stream #3))
        #0)`;
    const { s, said } = await connections({ guest: module });
    const client = s.client("fine");
    expect(said()).toEqual(["close=0", "close=0", "continue=0", "continue=12"]);
    s.send(client, ", still");
    expect(s.upstream()[0].take()).toBe("fine, still");
    expect(client.closed || client.ended).toBe(false);
  });
});

/** Asks "auth" about every connection before a byte of it is read; 200 lets it go on, all else closes it. */
const asking = () => guest`
  (global $held (mut i32) #0)
  (on new_connection
    (global.set $held (local.get $id))
    (drop (call $http_call ${"auth"} ${pairs([":method", "GET"], [":path", "/"], [":authority", "auth"])} ${""} ${""} #1000 #32))
    #1)
  (on http_call_response
    (drop (call $get_header_map_value #6 ${":status"} #out))
    (call $tell_out ${"status"})
    (call $tell ${"context"} (call $set_effective_context (global.get $held)))
    (if (i32.eq (i32.load8_u (i32.load #16)) #50)
      (then (drop (call $continue_stream #2)))
      (else (drop (call $close_stream #2)))))
  (on downstream_data (call $tell ${"data"} (local.get $a)) #0)`;

describe.skipIf(!HAS_ASSEMBLER)("a connection that waits for the answer to a call", () => {
  test("goes on with it", async () => {
    let answer = (): void => undefined;
    const auth: Script = (peer) => {
      if (peer.take() !== "") answer = () => void peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    };
    const { s, said } = await connections({ guest: asking() }, { auth });
    s.client("early");
    expect(said()).toEqual([]);
    answer();
    s.settle();
    expect(said()).toEqual(["status=200", "context=0", "data=5"]);
    expect(s.upstream()[0].take()).toBe("early");
  });

  test("is closed by it", async () => {
    const auth = answers("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    const { s, said } = await connections({ guest: asking() }, { auth });
    const client = s.client("early");
    s.settle();
    expect(said()).toEqual(["status=403", "context=0"]);
    expect(client.closed || client.ended).toBe(true);
  });

  test("and is gone when it comes: there is no such context any more", async () => {
    let answer = (): void => undefined;
    const auth: Script = (peer) => {
      if (peer.take() !== "") answer = () => void peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    };
    const { s, said } = await connections({ guest: asking() }, { auth });
    s.client().reset();
    s.settle();
    answer();
    s.settle();
    expect(said()).toEqual(["status=200", "context=2"]);
  });
});

/** Traps in that callback of any connection but the first. */
const traps = (callback: string) => guest`
  (func $maybe (param $id i32) (if (i32.ge_u (local.get $id) #3) (then (call $trap))))
  (on context_create ${wat(callback === "context_create" ? "(call $maybe (local.get $id))" : "")})
  (on new_connection ${wat(callback === "new_connection" ? "(call $maybe (local.get $id))" : "")} #0)
  (on downstream_data ${wat(callback === "downstream_data" ? "(call $maybe (local.get $id))" : "")} #0)
  (on upstream_data ${wat(callback === "upstream_data" ? "(call $maybe (local.get $id))" : "")} #0)
  (on downstream_connection_close ${wat(callback === "downstream_connection_close" ? "(call $maybe (local.get $id))" : "")})
  (on upstream_connection_close ${wat(callback === "upstream_connection_close" ? "(call $maybe (local.get $id))" : "")})
  (on done ${wat(callback === "done" ? "(call $maybe (local.get $id))" : "")} #1)
  (on log ${wat(callback === "log" ? "(call $maybe (local.get $id))" : "")})
  (on delete ${wat(callback === "delete" ? "(call $maybe (local.get $id))" : "")})`;

/** Answers "pong" to all it hears, and leaves with its client. */
const pong: Script = (peer) => {
  if (peer.take() !== "") peer.send("pong");
  if (peer.ended) peer.close();
};

const CALLBACKS = [
  ...["context_create", "new_connection", "downstream_data", "upstream_data"],
  ...["downstream_connection_close", "upstream_connection_close", "done", "log", "delete"],
];

describe.skipIf(!HAS_ASSEMBLER)("a trap", () => {
  test.each(CALLBACKS)(
    "in %s closes the connections of the VM; later ones go by the policy",
    async (callback) => {
      for (const failure_policy of ["FAIL_CLOSED", "FAIL_OPEN", "FAIL_RELOAD"]) {
        const { s, said } = await connections(
          { guest: traps(callback), config: { failure_policy } },
          { origin: pong },
        );
        const other = s.client("ping");
        expect(other.take()).toBe("pong");
        const hit = s.client("ping");
        const heard = ["context_create", "new_connection", "downstream_data", "upstream_data"].includes(
          callback,
        )
          ? ""
          : "pong";
        expect(hit.take()).toBe(heard);
        hit.end();
        s.settle();
        expect(said()[0]).toMatch(/^critical wasm p: RuntimeError/);
        expect([hit.closed, other.closed || other.ended]).toEqual([true, true]);
        expect(s.stat("wasm.p.vm_failed")).toBe(1);
        const next = s.client("ping");
        expect([next.take(), next.closed || next.ended]).toEqual(
          failure_policy === "FAIL_OPEN" ? ["pong", false] : ["", true],
        );
        s.advance(1600);
        const later = s.client("ping");
        expect(later.take()).toBe(failure_policy === "FAIL_CLOSED" ? "" : "pong");
        await over?.();
      }
      over = null;
    },
  );

  test("in a tick closes those that are held", async () => {
    const inTick = guest`
      (on configure (drop (call $set_tick_period_milliseconds #100)) #1)
      (on new_connection #1)
      (on tick (call $trap))`;
    const { s, said } = await connections({ guest: inTick });
    const held = s.client("ping");
    expect(held.closed || held.ended).toBe(false);
    s.advance(100);
    expect(said()[0]).toMatch(/^critical wasm p: RuntimeError/);
    expect(held.closed || held.ended).toBe(true);
  });
});

describe.skipIf(!HAS_ASSEMBLER)("capabilities", () => {
  test("a callback that is not allowed is not called, and the bytes go on", async () => {
    const allowed_capabilities = { proxy_on_new_connection: {}, proxy_on_context_create: {}, proxy_log: {} };
    const config = { capability_restriction_config: { allowed_capabilities } };
    const { s, said } = await connections({ guest: watching(), config }, { origin: pong });
    const client = s.client("ping");
    expect(client.take()).toBe("pong");
    client.close();
    s.settle();
    expect(said()).toEqual(["create=1", "create=2", "new=2"]);
  });
});

describe.skipIf(!HAS_ASSEMBLER)("what belongs to HTTP", () => {
  test("is not there for a connection", async () => {
    const lines = [
      tried("get", "$get_header_map_value", 0, ":path", 16, 20),
      tried("pairs", "$get_header_map_pairs", 0, 16, 20),
      tried("add", "$add_header_map_value", 0, "a", "b"),
      tried("set", "$set_header_map_pairs", 0, ""),
      tried("path", "$get_property", "request\0path", 16, 20),
      tried("source", "$get_property", "source\0address", 16, 20),
      tried("connection", "$get_property", "connection\0id", 16, 20),
      tried("reply", "$send_local_response", 403, "", "", "", -1),
      tried("route", "$call_foreign_function", "clear_route_cache", "", 0, 0),
    ];
    const { s, said } = await connections({ guest: onCallback("downstream_data", lines) }, { origin: pong });
    expect(s.client("ping").take()).toBe("pong");
    expect(said().slice(0, lines.length)).toEqual([
      ...["get=1", "pairs=0", "add=2", "set=2", "path=1", "source=0", "connection=0", "reply=0", "route=0"],
    ]);
  });
});

describe.skipIf(!HAS_ASSEMBLER)("a new module", () => {
  test("takes new connections; old ones finish where they began", async () => {
    const named = (name: string) => guest`
      (on upstream_data (drop (call $set_buffer_bytes #3 #0 #-1 ${name})) #0)`;
    const { s, supply } = await connections({ guest: named("old") }, { origin: pong });
    const old = s.client("1");
    supply(named("new"));
    const young = s.client("1");
    s.send(old, "2");
    expect([old.take(), young.take()]).toEqual(["oldold", "new"]);
    expect(s.stat("wasm.p.active")).toBe(2);
    old.reset();
    s.settle();
    expect(s.stat("wasm.p.active")).toBe(1);
  });
});
