/** What docs/filters/authz.md shows is so: its configuration is taken, its bootstrap runs, its fault is told. */
import { beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import {
  findProgram,
  freePorts,
  startProgram,
  temporaryFolder,
  untilListening,
} from "../../support/child-process.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { type JsonSchema, schemaFaults } from "../../support/json-schema.ts";
import { ROOT } from "../../support/our-proxy.ts";

let authz: string;
beforeAll(() => {
  authz = shippedFilter("authz");
}, 120_000);

const page = readFileSync(join(ROOT, "docs/filters/authz.md"), "utf8");
const schema = JSON.parse(
  readFileSync(join(ROOT, "filters-as/authz/authz.schema.json"), "utf8"),
) as JsonSchema;

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, text]) => text,
  );
}

test("its configuration is taken, by filter and schema", () => {
  const [text] = blocks("json");
  expect(schemaFaults(schema, JSON.parse(text))).toEqual([]);
  ScriptedHost.start(authz, { configuration: text });
});

test("it tells every field and counter", () => {
  const definitions = schema.$defs as { readonly [name: string]: { readonly properties?: object } };
  const fields = ["source", "operation"].flatMap((name) => Object.keys(definitions[name].properties ?? {}));
  const options = Object.keys(schema.properties as object);
  const untold = [...fields, ...options].filter((name) => !/^not[A-Z]/.test(name) && !page.includes(name));
  expect(untold).toEqual([]);
});

const envoy = findProgram("envoy", "ENVOY_BIN");
if (envoy === "") console.log("skipped: the example of docs/filters/authz.md in Envoy: no Envoy (ENVOY_BIN)");

test.skipIf(envoy === "")(
  "its bootstrap runs in Envoy",
  async () => {
    const [port] = await freePorts(1);
    const [text] = blocks("yaml");
    const folder = temporaryFolder();
    const file = join(folder.path, "envoy.yaml");
    writeFileSync(file, text.replace("port_value: 10000", `port_value: ${port}`));
    const program = startProgram(
      envoy,
      ["-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "warning"],
      { cwd: ROOT },
    );
    try {
      await untilListening(program, port);
      const statuses = [];
      for (const path of ["/public/a", "/public/../private", "/"]) {
        statuses.push((await fetch(`http://127.0.0.1:${port}${path}`)).status);
      }
      expect(statuses).toEqual([200, 403, 403]);
    } finally {
      await program.stop();
      folder.remove();
    }
  },
  60_000,
);
