import { describe, expect, test } from "bun:test";
import type { HeaderOperations, HeaderToAdd } from "../../../core/config/model.ts";
import type { ConfigFault } from "../../../core/errors.ts";
import type { FormatEnvironment } from "../../../core/http/formatter.ts";
import { compileHeaderMutation } from "../../../core/route/header-mutation.ts";
import type { RouteEntry } from "../../../core/route/route-entry.ts";
import { compileRouteTable } from "../../../core/route/route-table.ts";
import { Clock } from "../../../core/time/clock.ts";
import { route, routeConfiguration, routeTo, virtualHost } from "../../support/snapshot-fixture.ts";
import { asked, requestHead, responseHead, streamInfo } from "../../support/stream-info-fixture.ts";

const environment: FormatEnvironment = { variables: {}, hostname: "", clock: new Clock() };

function add(
  name: string,
  value: string,
  action: HeaderToAdd["action"] = "APPEND_IF_EXISTS_OR_ADD",
  keepEmptyValue = false,
): HeaderToAdd {
  return { name, value, action, keepEmptyValue };
}

/** What is left of `fields` after the operations, in order. */
function mutate(adds: HeaderToAdd[], removes: string[], fields: string[], line = "GET /p"): string[] {
  const faults: ConfigFault[] = [];
  const mutation = compileHeaderMutation(adds, removes, "request", "", environment, faults);
  expect(faults).toEqual([]);
  const head = requestHead(line, "h", fields);
  mutation.apply(head.fields, streamInfo({ request: head }));
  return all(head.fields);
}

function all(fields: { forEach(visit: (name: string, value: string) => void): void }): string[] {
  const out: string[] = [];
  fields.forEach((name, value) => {
    out.push(`${name}: ${value}`);
  });
  return out;
}

describe("one level of operations, as observed in Envoy", () => {
  test("the four actions where the header is there", () => {
    const adds = [
      add("x-app", "2"),
      add("x-abs", "2", "ADD_IF_ABSENT"),
      add("x-ow", "2", "OVERWRITE_IF_EXISTS_OR_ADD"),
      add("x-owe", "2", "OVERWRITE_IF_EXISTS"),
    ];
    expect(mutate(adds, [], ["x-app: 1", "x-abs: 1", "x-ow: 1", "x-ow: 0", "x-owe: 1"])).toEqual([
      "x-app: 1",
      "x-abs: 1",
      "x-ow: 2",
      "x-owe: 2",
      "x-app: 2",
    ]);
    expect(mutate(adds, [], [])).toEqual(["x-ow: 2", "x-app: 2", "x-abs: 2"]);
  });

  test("replacements come before additions; each value is computed from what was there before", () => {
    expect(
      mutate(
        [
          add("x-n", "a"),
          add("x-n", "b", "OVERWRITE_IF_EXISTS_OR_ADD"),
          add("x-m", "a", "ADD_IF_ABSENT"),
          add("x-m", "b", "ADD_IF_ABSENT"),
          add("x-app", "2"),
          add("x-ref", "%REQ(x-app)%"),
        ],
        [],
        ["x-app: 1"],
      ),
    ).toEqual(["x-app: 1", "x-n: b", "x-n: a", "x-m: a", "x-m: b", "x-app: 2", "x-ref: 1"]);
  });

  test("removals come first", () => {
    expect(
      mutate(
        [add("x-gone", "%REQ(x-rm)%"), add("x-rm", "new")],
        ["x-rm", "te"],
        ["x-rm: 1", "te: x", "x-rm: 2"],
      ),
    ).toEqual(["x-rm: new"]);
  });

  test("empty and missing values", () => {
    expect(
      mutate(
        [
          add("x-empty", ""),
          add("x-keep", "", undefined, true),
          add("x-miss", "%REQ(nope)%"),
          add("x-missmix", "a%REQ(nope)%b"),
          add("x-misskeep", "%REQ(nope)%", undefined, true),
          add("x-two", "%REQ(nope)%%REQ(nope)%"),
          add("x-pct", "100%%"),
        ],
        [],
        [],
      ),
    ).toEqual(["x-keep: ", "x-missmix: ab", "x-misskeep: ", "x-pct: 100%"]);
  });

  test("a value that may not be sent is not sent", () => {
    expect(mutate([add("x-time", "%START_TIME(%n)%"), add("x-ok", "%START_TIME(%s)%")], [], [])).toEqual([
      "x-ok: 1795252759",
    ]);
  });

  test("what may not be modified, and names and values that are none, are faults with their paths", () => {
    const faults: ConfigFault[] = [];
    compileHeaderMutation(
      [
        add(":path", "x"),
        add("host", "x"),
        add("a b", "x"),
        add("x", "a\nb"),
        add("x", "%NOPE% %NOPE2%"),
        add("x", "1%"),
      ],
      ["host", ":method", ""],
      "response",
      "virtual_hosts[0].",
      environment,
      faults,
    );
    expect(faults.map((fault) => fault.path)).toEqual([
      "virtual_hosts[0].response_headers_to_add[0].header.key",
      "virtual_hosts[0].response_headers_to_add[1].header.key",
      "virtual_hosts[0].response_headers_to_add[2].header.key",
      "virtual_hosts[0].response_headers_to_add[3].header.value",
      "virtual_hosts[0].response_headers_to_add[4].header.value",
      "virtual_hosts[0].response_headers_to_add[4].header.value",
      "virtual_hosts[0].response_headers_to_add[5].header.value",
      "virtual_hosts[0].response_headers_to_remove[0]",
      "virtual_hosts[0].response_headers_to_remove[1]",
      "virtual_hosts[0].response_headers_to_remove[2]",
    ]);
  });
});

describe("the levels of a route, as observed in Envoy", () => {
  function level(name: string): HeaderOperations {
    const adds = [
      add("x-lv", name),
      add("x-last", name, "OVERWRITE_IF_EXISTS_OR_ADD"),
      add("x-first", name, "ADD_IF_ABSENT"),
    ];
    return { requestAdd: adds, requestRemove: [], responseAdd: adds, responseRemove: [] };
  }

  function levels(mostSpecificHeaderMutationsWins: boolean): RouteEntry {
    const weightedClusters = [{ name: "echo", weight: 1, headers: level("W"), hostRewriteLiteral: "" }];
    const { table } = compileRouteTable(
      routeConfiguration(
        [
          virtualHost([route("/", routeTo("", { weightedClusters }), { headers: level("R") })], {
            headers: level("V"),
          }),
        ],
        { headers: level("G"), mostSpecificHeaderMutationsWins },
      ),
      environment,
    );
    return table?.lookup(requestHead(), asked()) as RouteEntry;
  }

  test.each([
    [false, ["x-lv: W", "x-first: W", "x-lv: R", "x-lv: V", "x-last: G", "x-lv: G"]],
    [true, ["x-lv: W", "x-first: W", "x-lv: G", "x-lv: V", "x-last: R", "x-lv: R"]],
  ])("most_specific_header_mutations_wins: %p", (specific, expected) => {
    const entry = levels(specific);
    const target = entry.clusters?.choose(0) ?? null;
    const request = requestHead();
    const response = responseHead();
    const info = streamInfo({ request, response });
    entry.finalizeRequest(request, target as never, info, false);
    entry.finalizeResponse(response.fields, target, info);
    // x-last is set anew by each level at the place of the first, so its place differs from Envoy's; order of x-lv counts.
    const sorted = (list: string[]) => [...list].sort();
    expect(sorted(all(request.fields))).toEqual(sorted(expected));
    expect(sorted(all(response.fields))).toEqual(sorted(expected));
    const order = (list: string[]) => list.filter((field) => field.startsWith("x-lv"));
    expect(order(all(request.fields))).toEqual(order(expected));
  });
});
