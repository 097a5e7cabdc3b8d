/** The command line: what each spelling means, and what each mistake is told. */
import { describe, expect, test } from "bun:test";
import { parseCommandLine } from "../../../runtime-adapters/sidecar/command-line.ts";

function options(...args: string[]) {
  const parsed = parseCommandLine(args);
  if (parsed.kind !== "options") throw new Error(JSON.stringify(parsed));
  return parsed.options;
}

function mistake(...args: string[]) {
  const parsed = parseCommandLine(args);
  return parsed.kind === "error" ? parsed.message.split("\n")[0] : parsed.kind;
}

describe("tulle sidecar", () => {
  test("a file is enough", () => {
    expect(options("sidecar", "-c", "envoy.yaml")).toEqual({
      command: "sidecar",
      configPath: "envoy.yaml",
      concurrency: 1,
      logLevel: "info",
      componentLogLevel: new Map(),
      adminAddressPath: "",
      drainTime: 25_000,
    });
  });

  test("every option, with a space or with =", () => {
    const line =
      "sidecar --config-path=e.json --concurrency 4 -l debug --component-log-level http:trace,main:off --admin-address-path=a --drain-time-s 0";
    expect(options(...line.split(" "))).toEqual({
      command: "sidecar",
      configPath: "e.json",
      concurrency: 4,
      logLevel: "debug",
      componentLogLevel: new Map([
        ["http", "trace"],
        ["main", "off"],
      ]),
      adminAddressPath: "a",
      drainTime: 0,
    });
  });

  test.each([
    ["sidecar", "which file? -c FILE is required"],
    ["sidecar -c", "-c needs a value: FILE"],
    ["sidecar --config-path=", "--config-path needs a value: FILE"],
    ["sidecar -c e --concurrency 0", "--concurrency 0: a number from 1 to 1024"],
    ["sidecar -c e --concurrency 1e3", "--concurrency 1e3: a number from 1 to 1024"],
    ["sidecar -c e --concurrency 99999999999", "--concurrency 99999999999: a number from 1 to 1024"],
    ["sidecar -c e -l loud", "--log-level loud: one of trace, debug, info, warning, error, critical, off"],
    ["sidecar -c e --component-log-level http", '--component-log-level: "http" is not <component>:<level>'],
    ["sidecar -c e --drain-time-s -1", "--drain-time-s -1: seconds from 0 to 86400"],
    ["sidecar -c e --bogus", "unknown option --bogus"],
    ["sidecar -c e stray", "unknown option stray"],
    ["validate -c e --concurrency 2", "unknown option --concurrency"],
    ["serve", 'unknown command "serve"; there is sidecar and validate'],
  ])("%s → %s", (line, message) => {
    expect(mistake(...line.split(" "))).toBe(message);
  });

  test("help names every option of the command and nothing else", () => {
    const sidecar = parseCommandLine(["sidecar", "-c", "x", "--help"]);
    const validate = parseCommandLine(["validate", "-h"]);
    expect(sidecar.kind === "help" && sidecar.text).toContain("--drain-time-s SECONDS");
    expect(validate.kind === "help" && validate.text).not.toContain("--concurrency");
  });
});
