import { describe, expect, test } from "bun:test";
import type { FormatEnvironment } from "../../../core/http/formatter.ts";
import { compileClusterChoice } from "../../../core/route/cluster-choice.ts";
import { Clock } from "../../../core/time/clock.ts";
import { NO_HEADERS, routeTo } from "../../support/snapshot-fixture.ts";
import { requestHead } from "../../support/stream-info-fixture.ts";

const environment: FormatEnvironment = { variables: {}, hostname: "", clock: new Clock() };

function choice(action: Parameters<typeof routeTo>[1], cluster = "") {
  return compileClusterChoice(routeTo(cluster, action), "route", environment, [], () => null);
}

describe("the cluster of a request", () => {
  test("is the route's", () => {
    expect(choice({}, "shop").choose(12345).clusterName(requestHead())).toBe("shop");
  });

  test("is named by a header, the first if there are several; by none: no cluster", () => {
    const target = choice({ clusterHeader: "x-cl" }).choose(0);
    expect(target.clusterName(requestHead("GET /", "h", ["x-cl: a", "x-cl: b"]))).toBe("a");
    expect(target.clusterName(requestHead())).toBe("");
    expect(choice({ clusterHeader: ":authority" }).choose(0).clusterName(requestHead("GET /", "shop"))).toBe(
      "shop",
    );
  });

  test.each([
    [
      [3, 0, 1, 96, 0],
      [30, 0, 10, 960, 0],
    ],
    [
      [90, 10],
      [900, 100],
    ],
    [
      [1, 1, 2],
      [250, 250, 500],
    ],
    [
      [0, 0, 5],
      [0, 0, 1000],
    ],
  ])(
    "follows the weights %j exactly over whole rounds of random values; weight 0 gets nothing",
    (weights, shares) => {
      const split = choice({
        weightedClusters: weights.map((weight, i) => ({
          name: `c${i}`,
          weight,
          headers: NO_HEADERS,
          hostRewriteLiteral: "",
        })),
      });
      const counts = weights.map(() => 0);
      for (let random = 0; random < 1000; random++) counts[Number(split.choose(random).name.slice(1))]++;
      expect(counts).toEqual(shares);
      expect(weights[Number(split.choose(2 ** 32 - 1).name.slice(1))]).toBeGreaterThan(0);
    },
  );
});
