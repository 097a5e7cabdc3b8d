/**
 * The cases of health checks that are compared with Envoy. Each script ends with a check that is held, so that the
 * numbers stand still when they are read.
 */
import type { YamlMap } from "../../support/bootstrap.ts";
import { answer, BAD, HANG, type HealthCase, http, OK, raw, SLOWLY, SOON, say, tcp, text } from "./case.ts";
import { httpCases } from "./http-cases.ts";
import { http2Cases } from "./http2-cases.ts";
import { REFUSES, type Script, type Step } from "./target.ts";

const overTcp: readonly HealthCase[] = [
  raw("tcp-connect", "connect", tcp(), [HANG, HANG], { endless: true }),
  raw("tcp-send-only", "connect", tcp({ send: { text: text("ping") } }), [HANG, HANG], { endless: true }),
  raw(
    "tcp-answer",
    4,
    tcp({ send: { text: text("ping") }, receive: [{ text: text("po") }, { text: text("ng") }] }),
    [{ say: "<po-ng>" }, { say: "pong" }],
  ),
  raw("tcp-answer-in-parts", 4, tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }), [
    { say: "po", later: { ms: 40, say: "ng" } },
    { say: "pong" },
  ]),
  raw(
    "tcp-no-answer",
    4,
    tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }, SOON),
    [{ say: "gnop" }],
    { endless: true },
  ),
  raw("tcp-closed", 4, tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }), [
    { say: "pong" },
    { close: "end" },
    { close: "end" },
    { close: "end" },
  ]),
  raw(
    "tcp-closed-between",
    4,
    tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }, SLOWLY),
    [{ say: "pong", later: { ms: 20, close: "end" } }, { say: "pong" }],
  ),
  raw(
    "tcp-not-reused",
    4,
    tcp({ send: { text: text("ping") }, receive: [{ text: text("pong") }] }, { reuse_connection: false }),
    [{ say: "pong" }, { say: "pong" }],
  ),
  { id: "tcp-refused", check: tcp(), targets: [REFUSES], endless: true },
];

const served = (name: string, steps: readonly Step[], fields = ""): Script => ({
  asks: "http",
  steps,
  served: answer(200, fields, name),
});

const choices: readonly HealthCase[] = [
  { id: "one-failed", check: http(), targets: [served("a", [OK]), served("b", [BAD])], requests: 4 },
  { id: "all-failed", check: http(), targets: [served("a", [BAD]), served("b", [BAD])], requests: 4 },
  {
    id: "all-failed-no-panic",
    check: http(),
    targets: [served("a", [BAD]), served("b", [BAD])],
    cluster: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
    requests: 2,
  },
  {
    id: "one-degraded",
    check: http(),
    targets: [served("a", [OK]), served("b", [say(200, "x-envoy-degraded: x\r\n")])],
    cluster: { common_lb_config: { healthy_panic_threshold: { value: 0 } } },
    endless: true,
  },
  {
    id: "all-degraded",
    check: http(),
    targets: [served("a", [say(200, "x-envoy-degraded: x\r\n")])],
    requests: 2,
  },
  {
    id: "level-failed",
    check: http(),
    targets: [served("a", [BAD]), served("b", [OK])],
    priorities: [0, 1],
    requests: 4,
  },
  {
    id: "level-degraded",
    check: http(),
    targets: [served("a", [say(200, "x-envoy-degraded: x\r\n")]), served("b", [OK])],
    priorities: [0, 1],
    requests: 4,
  },
  {
    id: "level-back",
    check: http(),
    targets: [served("a", [OK, BAD, OK, OK]), served("b", [OK])],
    priorities: [0, 1],
    requests: 4,
  },
  {
    id: "excluded-in-passing",
    check: http(),
    targets: [served("a", [OK], "x-envoy-immediate-health-check-fail: true\r\n"), served("b", [OK])],
    requests: 6,
  },
];

/** A newcomer, or one that goes: the first is always there. */
const set = (
  id: string,
  sets: readonly (readonly number[])[],
  steps: readonly Step[],
  more: Partial<HealthCase> = {},
  released?: Step,
): HealthCase => ({
  id,
  check: http(),
  targets: [
    { asks: "http", steps: [OK] },
    { asks: "http", steps, ...(released === undefined ? {} : { released }) },
  ],
  sets,
  ...more,
});
const IGNORED: YamlMap = { common_lb_config: { ignore_new_hosts_until_first_hc: true } };

const changes: readonly HealthCase[] = [
  set("set-first-check-pending", [[0], [0, 1]], []),
  set("set-first-check-good", [[0], [0, 1]], [], {}, OK),
  set("set-first-check-bad", [[0], [0, 1]], [], {}, BAD),
  set("set-ignored-till-checked", [[0], [0, 1]], [], { cluster: IGNORED }),
  set("set-ignored-then-good", [[0], [0, 1]], [], { cluster: IGNORED }, OK),
  set("set-ignored-then-bad", [[0], [0, 1]], [], { cluster: IGNORED }, BAD),
  set("set-removed", [[0, 1], [0]], [OK]),
  set("set-removed-and-back", [[0, 1], [0], [0, 1]], [OK]),
  set("set-removed-then-bad", [[0, 1], [0]], [OK], {}, BAD),
  set("set-removed-when-bad", [[0, 1], [0]], [BAD]),
  set("set-removed-at-once", [[0, 1], [0]], [OK], { cluster: { ignore_health_on_host_removal: true } }),
];

/** All of them, in the order in which they are shown. */
export const cases: readonly HealthCase[] = [...httpCases, ...http2Cases, ...overTcp, ...choices, ...changes];
