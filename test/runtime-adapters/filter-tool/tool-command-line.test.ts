/** The command line of `tulle filter`: what is understood, what is refused and how, and what --help says. */
import { describe, expect, test } from "bun:test";
import {
  FILTER_COMMANDS,
  parseFilterCommand,
} from "../../../runtime-adapters/filter-tool/tool-command-line.ts";

const optionsOf = (line: string) => {
  const parsed = parseFilterCommand(line.split(" "));
  if (parsed.kind !== "options") throw new Error(JSON.stringify(parsed));
  return parsed.options;
};

test("the folder is the current one unless it is named, and defaults are filled in", () => {
  expect(optionsOf("run")).toMatchObject({
    command: "run",
    target: ".",
    port: 8080,
    upstream: null,
    config: "",
  });
  expect(optionsOf("bench my-filter")).toMatchObject({ target: "my-filter", requests: 200_000, path: "/" });
  expect(optionsOf("build a/b")).toMatchObject({ target: "a/b", out: "", debug: false });
});

test("options may stand before and behind the folder, with a space or an equals sign", () => {
  expect(optionsOf("build --out=x.wasm f --debug")).toMatchObject({
    target: "f",
    out: "x.wasm",
    debug: true,
  });
  expect(optionsOf("build f -o x.wasm")).toMatchObject({ target: "f", out: "x.wasm", debug: false });
  expect(optionsOf("run --port 0 --config c.json f")).toMatchObject({
    port: 0,
    config: "c.json",
    target: "f",
  });
  expect(optionsOf("test f --calls")).toMatchObject({ calls: true });
  expect(optionsOf("new a-filter --dir x/y")).toMatchObject({ target: "a-filter", dir: "x/y" });
});

test.each([
  ["127.0.0.1:3000", { host: "127.0.0.1", port: 3000 }],
  ["localhost:80", { host: "localhost", port: 80 }],
  ["[::1]:65535", { host: "::1", port: 65_535 }],
])("the upstream %s", (text, upstream) => {
  expect(optionsOf(`run --upstream ${text}`).upstream).toEqual(upstream);
});

test.each([
  ["", "which command? there is filter new, build, test, bench, run"],
  ["serve", 'unknown command "filter serve"'],
  ["build --port 1", "unknown option --port"],
  ["run --calls", "unknown option --calls"],
  ["test --bogus", "unknown option --bogus"],
  ["test a b", "one folder at a time, not a b"],
  ["build -o", "-o needs a value: FILE"],
  ["build --debug=no", "--debug takes no value"],
  ["new", "how shall it be called?"],
  ["new My_Filter", "My_Filter: a name is of a-z"],
  ["new ../x", "../x: a name is of a-z"],
  ["bench --requests 0", "--requests 0: a number from 1 to"],
  ["bench --requests 1e9", "--requests 1e9: a number from 1 to"],
  ["bench --path x", '--path x: a path begins with "/"'],
  ["run --port 65536", "--port 65536: a number from 0 to 65535"],
  ["run --upstream 3000", "--upstream 3000: HOST:PORT"],
  ["run --upstream a:0", "--upstream a:0: HOST:PORT"],
  ["run --upstream ::1:80", "--upstream ::1:80: HOST:PORT"],
])("%p is refused", (line, complaint) => {
  const parsed = parseFilterCommand(line === "" ? [] : line.split(" "));
  expect(parsed.kind).toBe("error");
  if (parsed.kind !== "error") return;
  expect(parsed.message).toStartWith(complaint);
  expect(parsed.message).toContain("--help");
});

describe("help", () => {
  test("of all lists every command", () => {
    for (const asked of ["--help", "-h", "help"]) {
      const parsed = parseFilterCommand([asked]);
      expect(parsed.kind).toBe("help");
      for (const command of FILTER_COMMANDS)
        expect(parsed).toHaveProperty("text", expect.stringContaining(`  ${command} `));
    }
  });

  test.each([...FILTER_COMMANDS])(
    "of %s lists its options, and every one of them is understood",
    (command) => {
      const parsed = parseFilterCommand([command, "--help"]);
      if (parsed.kind !== "help") throw new Error(JSON.stringify(parsed));
      expect(parsed.text).toStartWith(`usage: tulle filter ${command} `);
      const names = [...parsed.text.matchAll(/^ {2}(?:-\w, )?(--[a-z]+)/gm)].map(([, name]) => name);
      expect(names).toContain("--help");
      expect(names).toContain("--runtime");
      for (const name of names) {
        const result = parseFilterCommand([command, "name", name]);
        expect(result).not.toHaveProperty("message", expect.stringContaining("unknown option"));
      }
    },
  );
});
