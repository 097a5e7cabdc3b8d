import { expect, test } from "bun:test";
import { STATUS_CODES } from "node:http";
import { reasonPhrase } from "../../../core/http/status.ts";

/** Where the registry has moved on, or we keep Envoy's words. */
const OURS: { readonly [status: number]: string } = {
  208: "Already Reported",
  305: "Use Proxy",
  413: "Payload Too Large",
  418: "Unknown",
  509: "Unknown",
};

test("phrases are those that everybody knows", () => {
  for (let status = 100; status < 600; status++)
    expect([status, reasonPhrase(status)]).toEqual([
      status,
      OURS[status] ?? STATUS_CODES[status] ?? "Unknown",
    ]);
});

test("a number that is no status has one too", () => {
  for (const status of [0, 99, 600, 799, -1]) expect(reasonPhrase(status)).toBe("Unknown");
});
