/** The name that a client asks for is that of its hello, however it came: an engine may not know it of a resumed session. */
import { describe, expect, test } from "bun:test";
import type { ListenerFilters } from "../../../core/config/tls.ts";
import { PLAIN_SAILING } from "../../../runtime-adapters/memory/fake-tls.ts";
import { get } from "../../support/engine-story.ts";
import { PARAMETERS } from "../../support/tls-config.ts";
import { INSPECTED, type Pair, pair, SSL_IN } from "../../support/tls-pair.ts";

const UNINSPECTED: ListenerFilters = { ...INSPECTED, tlsInspector: false, httpInspector: true };
const IMPATIENT: ListenerFilters = { ...INSPECTED, timeout: 100, continueOnTimeout: true };

/** Two proxies where every session is resumed in TLS 1.2, of which the server's engine tells no name. */
async function resuming(setup: Pair) {
  const parameters = { ...PARAMETERS, maxVersion: "TLSv1.2" } as const;
  const s = await pair({
    log: "%REQUESTED_SERVER_NAME%",
    outboundLog: "%RESPONSE_CODE%",
    ...setup,
    down: { requireSni: true, parameters, ...setup.down },
  });
  s.proxy.network.tls = { ...PLAIN_SAILING, resumed: true };
  return s;
}

describe("a session that is resumed has the name of its hello", () => {
  for (const [what, filters] of [
    ["without an inspector", undefined],
    ["behind one", INSPECTED],
    ["behind one that looks for HTTP alone", UNINSPECTED],
  ] as const) {
    test(what, async () => {
      const s = await resuming({ listener: { filters }, up: { sni: "Server.Example" } });
      s.client(get());
      s.advance(100);
      expect(s.logs).toEqual(["server.example", "200"]);
      expect(s.stat(`${SSL_IN}session_reused`)).toBe(1);
      s.expectNothingLeft();
    });
  }

  test("who comes too late for the inspector is looked at all the same", async () => {
    const s = await resuming({ listener: { filters: IMPATIENT } });
    s.proxy.network.tls = { ...s.proxy.network.tls, delay: 200 };
    s.client(get());
    s.advance(1000);
    expect(s.stat("listener.127.0.0.1_443.downstream_pre_cx_active")).toBe(0);
    expect(s.logs).toEqual(["server.example", "200"]);
    s.expectNothingLeft();
  });

  test("who names none has none", async () => {
    const s = await resuming({ up: { sni: "" }, down: { requireSni: false } });
    s.client(get());
    s.advance(100);
    expect(s.logs).toEqual(["-", "200"]);
    s.expectNothingLeft();
  });
});

describe("a hello that cannot be read", () => {
  for (const [resumed, logs] of [
    [false, ["no name", "200"]],
    [true, ["503"]],
  ] as const) {
    test(resumed ? "resumes nothing" : "is for the engine to judge in a full handshake", async () => {
      const s = await resuming({ up: { sni: "No Name" }, down: { requireSni: false } });
      s.proxy.network.tls = { ...PLAIN_SAILING, resumed };
      s.client(get());
      s.advance(100);
      expect(s.logs).toEqual([...logs]);
      s.expectNothingLeft();
    });
  }
});
