/**
 * The configuration of a WASM filter, from a file's text to what a plugin is made from: every field, every refusal with
 * its path. Faults are given below `typed_config`, whoever found them: the schema or the plugin's own reader.
 */
import { describe, expect, test } from "bun:test";
import type { HttpConnectionManager, Json } from "../../../core/config/model.ts";
import { readBootstrap } from "../../../core/xds/bootstrap.ts";
import {
  checkPluginConfig,
  codeKey,
  type PluginConfig,
  readPluginConfig,
} from "../../../filters/wasm/plugin-config.ts";
import { edited, PARTS, yaml } from "../../support/config-document.ts";

const WASM = "envoy.extensions.filters.http.wasm.v3.Wasm";
const ROUTER = "envoy.extensions.filters.http.router.v3.Router";
const checks = { httpFilters: new Map([[WASM, checkPluginConfig]]) };

/** What becomes of a filter with this message (YAML). */
function read(message: string): { readonly plugin: PluginConfig | null; readonly faults: string[] } {
  const filters = [
    `{ name: w, typed_config: { "@type": type.googleapis.com/${WASM}, ${message} } }`,
    `{ name: r, typed_config: { "@type": type.googleapis.com/${ROUTER} } }`,
  ];
  const { bootstrap, faults } = readBootstrap(edited("hcm", `{ http_filters: [${filters}] }`), checks);
  const at = `${PARTS.hcm}.http_filters[0].typed_config.`;
  const shown = faults.map(({ path, message }) => `${path.replace(at, "")}: ${message}`);
  if (bootstrap === null) return { plugin: null, faults: shown };
  const manager = bootstrap.listeners[0].model.filterChains[0].filter as HttpConnectionManager;
  const config = structuredClone(manager.httpFilters[0].config);
  return { plugin: readPluginConfig(config).plugin, faults: shown };
}

function sound(message: string): PluginConfig {
  const { plugin, faults } = read(message);
  expect(faults).toEqual([]);
  return plugin as PluginConfig;
}

const FILE = "code: { local: { filename: /a.wasm } }";
/** A message with these fields in its plugin and its VM. */
const plugin = (fields: string, vm = FILE) =>
  `config: { vm_config: { ${vm} } ${fields === "" ? "" : `, ${fields}`} }`;
const vm = (fields: string) => plugin("", fields);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const SHA = "0123456789abcdef".repeat(4);

describe("what is said", () => {
  test("little: a file is enough", () => {
    expect(sound(plugin(""))).toEqual({
      name: "",
      rootId: "",
      vm: {
        id: "",
        code: { kind: "file", path: "/a.wasm" },
        configuration: new Uint8Array(0),
        environment: { inherited: [], given: [] },
        allowedCapabilities: null,
      },
      configuration: new Uint8Array(0),
      failurePolicy: "RELOAD",
      reload: { base: 1000, max: 10_000 },
      allowOnHeadersStopIteration: false,
    });
  });

  test("everything", () => {
    const message = `
      config:
        name: é
        root_id: root
        vm_config:
          vm_id: shared
          runtime: envoy.wasm.runtime.v8
          allow_precompiled: true
          nack_on_code_cache_miss: true
          configuration: { "@type": type.googleapis.com/google.protobuf.StringValue, value: vm }
          environment_variables: { host_env_keys: [HOME], key_values: { A: ä, B: "" } }
          capability_restriction_config: { allowed_capabilities: { proxy_log: {}, fd_write: {} } }
          code:
            remote:
              http_uri: { uri: "https://example.org/a.wasm?v=1", cluster: modules, timeout: 2.5s }
              sha256: ${SHA.toUpperCase()}
              retry_policy: { num_retries: 3, retry_back_off: { base_interval: 0.2s, max_interval: 1s } }
        configuration: { "@type": type.googleapis.com/google.protobuf.StringValue, value: plugin }
        failure_policy: FAIL_CLOSED
        reload_config: { backoff: { base_interval: 3s } }
        capability_restriction_config: { allowed_capabilities: { proxy_done: {} } }
        allow_on_headers_stop_iteration: true`;
    const { configuration, vm, ...rest } = sound(JSON.stringify(yaml(message)).slice(1, -1));
    expect(text(configuration)).toBe("plugin");
    expect(text(vm.configuration)).toBe("vm");
    expect(rest).toEqual({
      name: "\xc3\xa9",
      rootId: "root",
      failurePolicy: "CLOSED",
      reload: { base: 3000, max: 30_000 },
      allowOnHeadersStopIteration: true,
    });
    expect({ ...vm, configuration: null }).toEqual({
      id: "shared",
      configuration: null,
      code: {
        kind: "remote",
        uri: "https://example.org/a.wasm?v=1",
        cluster: "modules",
        timeout: 2500,
        sha256: SHA,
        retries: 3,
        backoff: { base: 200, max: 1000 },
      },
      environment: {
        inherited: ["HOME"],
        given: [
          ["A", "\xc3\xa4"],
          ["B", ""],
        ],
      },
      allowedCapabilities: new Set(["proxy_log", "fd_write"]), // the VM's own hold, not the plugin's
    });
  });

  test("a plugin can be handed to a worker", () => {
    const made = sound(plugin("name: a"));
    expect(structuredClone(made)).toEqual(made);
  });

  test.each<[fields: string, policy: string]>([
    ["", "RELOAD"],
    ["failure_policy: UNSPECIFIED", "RELOAD"],
    ["failure_policy: FAIL_RELOAD", "RELOAD"],
    ["failure_policy: FAIL_CLOSED", "CLOSED"],
    ["failure_policy: FAIL_OPEN", "OPEN"],
    ["fail_open: true", "OPEN"],
    ["fail_open: false, failure_policy: FAIL_CLOSED", "CLOSED"],
  ])("failure policy: %s", (fields, policy) => {
    expect(sound(plugin(fields)).failurePolicy).toBe(policy as never);
  });

  test.each<[fields: string, vmFields: string, allowed: string[] | null]>([
    ["", "", null],
    ["capability_restriction_config: {}", "", null],
    ["capability_restriction_config: { allowed_capabilities: { a: {} } }", "", ["a"]],
    ["", "capability_restriction_config: { allowed_capabilities: { b: {} } }", ["b"]],
    [
      "capability_restriction_config: { allowed_capabilities: { a: {} } }",
      "capability_restriction_config: {}",
      null,
    ],
  ])("capabilities: %s, of the VM: %s", (fields, vmFields, allowed) => {
    const { allowedCapabilities } = sound(plugin(fields, vmFields === "" ? FILE : `${FILE}, ${vmFields}`)).vm;
    expect(allowedCapabilities === null ? null : [...allowedCapabilities]).toEqual(allowed);
  });

  test.each<[any: string, bytes: string]>([
    [
      '{ "@type": type.googleapis.com/google.protobuf.StringValue, value: "{\\"a\\": \\"é\\"}" }',
      '{"a": "é"}',
    ],
    ['{ "@type": type.googleapis.com/google.protobuf.StringValue }', ""],
    ['{ "@type": google.protobuf.StringValue, value: x }', "x"],
    ['{ "@type": type.googleapis.com/google.protobuf.BytesValue, value: w6k= }', "é"],
    [
      '{ "@type": type.googleapis.com/google.protobuf.Struct, value: { a: [1, 0.5, null, é], b: { c: true } } }',
      '{"a":[1,0.5,null,"é"],"b":{"c":true}}',
    ],
    ['{ "@type": type.googleapis.com/google.protobuf.Struct }', "{}"],
    ["{}", ""],
  ])("what a guest reads: %s", (any, bytes) => {
    expect(text(sound(plugin(`configuration: ${any}`)).configuration)).toBe(bytes);
    expect(text(sound(vm(`${FILE}, configuration: ${any}`)).vm.configuration)).toBe(bytes);
  });
});

describe("where the code is", () => {
  const key = (code: string) => codeKey(sound(vm(`code: ${code}`)));

  test.each<[code: string, key: string]>([
    ["{ local: { filename: /b.wasm, watched_directory: { path: / } } }", "file:/b.wasm"],
    [
      `{ remote: { http_uri: { uri: "http://a/", cluster: c, timeout: 1s }, sha256: ${SHA} } }`,
      `remote:${SHA}`,
    ],
  ])("%s", (code, expected) => {
    expect(key(code)).toBe(expected);
  });

  test("inline, as bytes or as text: its content tells it from others", () => {
    const bytes = key("{ local: { inline_bytes: AGFzbQ== } }");
    expect(bytes).toMatch(/^inline:4:[0-9a-f]{16}$/);
    expect(key('{ local: { inline_string: "\\0asm" } }')).toBe(bytes);
    expect(key("{ local: { inline_bytes: AGFzbg== } }")).not.toBe(bytes);
    expect(key("{ local: { inline_bytes: AGFzbQA= } }")).not.toBe(bytes);
  });

  test("a download without a policy is tried again once, after a second", () => {
    const { code } = sound(
      vm(`code: { remote: { http_uri: { uri: "http://a/", cluster: c, timeout: 1s }, sha256: ${SHA} } }`),
    ).vm;
    expect(code).toMatchObject({ retries: 1, backoff: { base: 1000, max: 10_000 } });
  });
});

const remote = (http: string, more = `sha256: ${SHA}`) => vm(`code: { remote: { ${http}${more} } }`);
const HTTP = 'http_uri: { uri: "http://a/", cluster: c, timeout: 1s }, ';
const env = (fields: string) => vm(`${FILE}, environment_variables: { ${fields} }`);

describe("what is refused", () => {
  test.each<[message: string, ...faults: string[]]>([
    ["config: {}", "config.vm_config: must be set"],
    ["configs: {}", "configs: unknown field (did you mean config?)", "config: must be set"],
    ["config: 5", "config: must be an object, not the number 5"],
    ["config: { vm_config: {} }", "config.vm_config.code: must be set"],
    [plugin("rootid: a"), "config.rootid: unknown field (did you mean root_id?)"],
    [plugin("name: 5"), "config.name: must be a string, not the number 5"],
    [
      plugin("fail_open: true, failure_policy: FAIL_CLOSED"),
      "config.fail_open: must not be set beside failure_policy",
    ],
    [
      plugin("failure_policy: FAIL"),
      'config.failure_policy: must be one of UNSPECIFIED, FAIL_RELOAD, FAIL_CLOSED, FAIL_OPEN, not "FAIL"',
    ],
    [plugin("reload_config: { backoff: {} }"), "config.reload_config.backoff.base_interval: must be set"],
    [
      plugin("reload_config: { backoff: { base_interval: 0s } }"),
      "config.reload_config.backoff.base_interval: must be at least 1 ms",
    ],
    [
      plugin("reload_config: { backoff: { base_interval: 2s, max_interval: 1s } }"),
      "config.reload_config.backoff.max_interval: must not be below base_interval",
    ],
    [
      plugin("capability_restriction_config: { allowed_capabilities: { a: { b: 1 } } }"),
      'config.capability_restriction_config.allowed_capabilities["a"].b: unknown field',
    ],
    [
      plugin('configuration: { "@type": type.googleapis.com/google.protobuf.StringValue, value: 5 }'),
      "config.configuration.value: must be a string",
    ],
    [
      plugin('configuration: { "@type": type.googleapis.com/google.protobuf.StringValue, text: a }'),
      "config.configuration.text: unknown field",
    ],
    [
      plugin('configuration: { "@type": type.googleapis.com/google.protobuf.BytesValue, value: "!" }'),
      "config.configuration.value: must be Base64 text",
    ],
    [
      plugin('configuration: { "@type": type.googleapis.com/google.protobuf.Struct, value: [] }'),
      "config.configuration.value: must be an object",
    ],
    [
      plugin('configuration: { "@type": type.googleapis.com/x.Y, a: 1 }'),
      "config.configuration.@type: not implemented yet: x.Y; a guest is given a StringValue, BytesValue or Struct",
    ],
    [plugin("configuration: { a: 1 }"), 'config.configuration: must name its type in "@type"'],
    [
      vm(`${FILE}, runtime: envoy.wasm.runtime.null`),
      "config.vm_config.runtime: not implemented yet: envoy.wasm.runtime.null",
    ],
    [vm(`${FILE}, runtime: v8`), 'config.vm_config.runtime: must begin with "envoy.wasm.runtime."'],
    [vm("code: {}"), "config.vm_config.code: one of local, remote must be set"],
    [
      vm("code: { local: {} }"),
      "config.vm_config.code.local: one of filename, inline_bytes, inline_string, environment_variable must be set",
    ],
    [
      vm("code: { local: { filename: a, inline_string: b } }"),
      "config.vm_config.code.local.inline_string: only one of filename and inline_string may be set",
    ],
    [vm('code: { local: { filename: "" } }'), "config.vm_config.code.local.filename: must not be empty"],
    [
      vm("code: { local: { environment_variable: A } }"),
      "config.vm_config.code.local.environment_variable: not implemented yet: environment_variable",
    ],
    [
      remote("", ""),
      "config.vm_config.code.remote.http_uri: must be set",
      "config.vm_config.code.remote.sha256: must not be empty",
    ],
    [remote(HTTP, "sha256: ''"), "config.vm_config.code.remote.sha256: must not be empty"],
    [remote(HTTP, "sha256: abc"), "config.vm_config.code.remote.sha256: must be 64 hexadecimal digits"],
    [
      remote("http_uri: {}, "),
      "config.vm_config.code.remote.http_uri.uri: must not be empty",
      "config.vm_config.code.remote.http_uri.timeout: must be set",
      "config.vm_config.code.remote.http_uri: one of cluster must be set",
    ],
    [
      remote("http_uri: { uri: 'oci://a/b', cluster: c, timeout: 1s }, "),
      "config.vm_config.code.remote.http_uri.uri: must be a URL that begins with http:// or https://",
    ],
    [
      remote("http_uri: { uri: 'http://a /', cluster: c, timeout: 1s }, "),
      "config.vm_config.code.remote.http_uri.uri: must be a URL that begins with http:// or https://",
    ],
    [
      remote("http_uri: { uri: 'http://a', cluster: c, timeout: -1s }, "),
      "config.vm_config.code.remote.http_uri.timeout: must be at least 0 ms",
    ],
    [
      remote(HTTP, `sha256: ${SHA}, retry_policy: { retry_on: 5xx, host_selection_retry_max_attempts: 2 }`),
      "config.vm_config.code.remote.retry_policy.retry_on: not implemented yet: retry_on",
      "config.vm_config.code.remote.retry_policy.host_selection_retry_max_attempts: not implemented yet: host_selection_retry_max_attempts",
    ],
    [
      env("host_env_keys: [A, B, A]"),
      "config.vm_config.environment_variables.host_env_keys[2]: is given twice: A",
    ],
    [
      env("host_env_keys: [A], key_values: { A: x }"),
      "config.vm_config.environment_variables.host_env_keys[0]: is given twice: A",
    ],
    [
      env('host_env_keys: [""]'),
      "config.vm_config.environment_variables.host_env_keys[0]: is no name of a variable",
    ],
    [
      env('key_values: { "A=B": x, C: "y\\0" }'),
      'config.vm_config.environment_variables.key_values["A=B"]: is no name of a variable',
      'config.vm_config.environment_variables.key_values["C"]: must not contain NUL',
    ],
  ])("%s", (message, ...faults) => {
    expect(read(message).faults).toEqual(faults);
  });
});

test("whatever it is given, it collects faults and does not throw", () => {
  const junk: Json[] = [
    null,
    5,
    "x",
    [],
    {},
    { "@type": 5 },
    { value: {} },
    { local: { filename: 7 } },
    true,
  ];
  const keys = [
    ["config"],
    ["config", "name"],
    ["config", "configuration"],
    ["config", "reload_config", "backoff"],
    ["config", "reload_config", "backoff", "base_interval"],
    ["config", "capability_restriction_config", "allowed_capabilities"],
    ["config", "vm_config"],
    ["config", "vm_config", "code"],
    ["config", "vm_config", "code", "local"],
    ["config", "vm_config", "code", "remote"],
    ["config", "vm_config", "code", "remote", "http_uri"],
    ["config", "vm_config", "code", "remote", "retry_policy"],
    ["config", "vm_config", "environment_variables"],
    ["config", "vm_config", "environment_variables", "host_env_keys"],
    ["config", "vm_config", "environment_variables", "key_values"],
  ];
  for (const path of [[], ...keys]) {
    for (const value of junk) {
      const json = path.reduceRight<Json>((inner, key) => ({ [key]: inner }), value);
      const { plugin, faults } = readPluginConfig(json);
      expect(plugin === null).toBe(faults.length > 0);
    }
  }
});
