/**
 * `envoy.extensions.filters.http.wasm.v3.Wasm` (the network filter's message is the same) in Envoy's JSON shape → what
 * a plugin is made from. Fetches nothing and compiles nothing; the limits of a VM are elsewhere (vm-limits.ts), for
 * Envoy's message has no place for them.
 */
import { lowerCase, toBytes, utf8ByteString } from "../../core/bytes/ascii.ts";
import type { ConfigFault } from "../../core/config/config-fault.ts";
import type { Json } from "../../core/config/model.ts";
import { JsonSection } from "../json-section.ts";
import { readPluginBytes } from "./plugin-bytes.ts";

/** One configured plugin. Plain, immutable, structured-cloneable; texts are byte strings. */
export interface PluginConfig {
  /** For logs, and for the limits that are meant for this plugin. */
  readonly name: string;
  readonly rootId: string;
  readonly vm: VmConfig;
  /** What the guest reads in `proxy_on_configure`. */
  readonly configuration: Uint8Array;
  readonly failurePolicy: FailurePolicy;
  readonly reload: Backoff;
  /** `StopIteration` from a headers callback holds the headers only, and body callbacks go on (default false). */
  readonly allowOnHeadersStopIteration: boolean;
}

/** What becomes of requests when the VM is lost: a new VM, 503, or no filter. */
export type FailurePolicy = "RELOAD" | "CLOSED" | "OPEN";

/** Milliseconds; the wait grows from `base` to `max`. */
export interface Backoff {
  readonly base: number;
  readonly max: number;
}

/** The VM that a plugin runs in. Plugins of equal `id`, code and configuration may share what is per VM. */
export interface VmConfig {
  readonly id: string;
  readonly code: CodeSource;
  /** What the guest reads in `proxy_on_vm_start`. */
  readonly configuration: Uint8Array;
  readonly environment: Environment;
  /** Names of the host functions that a guest may call; null = all. */
  readonly allowedCapabilities: ReadonlySet<string> | null;
}

/** The environment that a guest sees through WASI. No name occurs twice. */
export interface Environment {
  /** Variables of the process to pass on, if it has them. */
  readonly inherited: readonly string[];
  readonly given: readonly (readonly [name: string, value: string])[];
}

/** Where a module comes from. */
export type CodeSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  | RemoteCode;

/** A module to download and to verify. */
export interface RemoteCode {
  readonly kind: "remote";
  readonly uri: string;
  /** The cluster that Envoy would ask. */
  readonly cluster: string;
  /** Milliseconds for one attempt. */
  readonly timeout: number;
  /** 64 hexadecimal digits, lower case. */
  readonly sha256: string;
  /** Further attempts after the first, and the wait before each. */
  readonly retries: number;
  readonly backoff: Backoff;
}

/** Result of `readPluginConfig`: exactly one of "no fault" and "no plugin" holds. */
export interface PluginReading {
  readonly plugin: PluginConfig | null;
  /** Paths begin at the message: `config.vm_config.code`. */
  readonly faults: readonly ConfigFault[];
}

const RUNTIME = "envoy.wasm.runtime.";

/** Reads the message. Never throws; collects every fault. */
export function readPluginConfig(json: Json): PluginReading {
  const faults: ConfigFault[] = [];
  const message = new JsonSection(json, "", faults);
  const config = message.required("config");
  const plugin = config === null ? null : readPlugin(config);
  message.finish();
  return { plugin: faults.length === 0 ? plugin : null, faults };
}

/** The plugin of a checked message: one without a name goes by that of the `filter` that it is the configuration of. */
export function checkedPlugin(json: Json, filter: string): PluginConfig {
  const { plugin } = readPluginConfig(json);
  if (plugin === null) throw new Error(`filter ${filter}: its configuration was not checked`);
  return plugin.name === "" ? { ...plugin, name: filter } : plugin;
}

/** What is wrong with the message; fits `Checks.httpFilters`. */
export function checkPluginConfig(json: Json): readonly ConfigFault[] {
  return readPluginConfig(json).faults;
}

/**
 * Identifies the code: equal keys are the same source. A file keeps its key when its content changes. Inline code goes
 * by length and a 64-bit hash, which tells modules apart and guards against nobody.
 */
export function codeKey({ vm: { code } }: PluginConfig): string {
  switch (code.kind) {
    case "file":
      return `file:${code.path}`;
    case "inline":
      return `inline:${code.bytes.length}:${fingerprint(code.bytes)}`;
    case "remote":
      return `remote:${code.sha256}`;
  }
}

function readPlugin(config: JsonSection): PluginConfig | null {
  const name = config.text("name");
  const rootId = config.text("root_id");
  const vm = config.required("vm_config");
  const configuration = readPluginBytes(config.section("configuration"));
  const failurePolicy = readFailurePolicy(config);
  const reload = config.section("reload_config");
  const backoff = readBackoff(reload?.section("backoff") ?? null);
  reload?.finish();
  const allowOnHeadersStopIteration = config.flag("allow_on_headers_stop_iteration");
  // The older of two places: what the VM says about itself holds.
  const allowed = readCapabilities(config.section("capability_restriction_config"));
  const read = vm === null ? null : readVm(vm, allowed);
  config.finish();
  if (read === null) return null;
  return {
    name,
    rootId,
    vm: read,
    configuration,
    failurePolicy,
    reload: backoff,
    allowOnHeadersStopIteration,
  };
}

function readFailurePolicy(config: JsonSection): FailurePolicy {
  const failOpen = config.flag("fail_open"); // deprecated
  const policy = config.text("failure_policy") || "UNSPECIFIED";
  if (failOpen && policy !== "UNSPECIFIED")
    config.fault("fail_open", "must not be set beside failure_policy");
  switch (policy) {
    case "UNSPECIFIED":
      // Envoy's default is FAIL_CLOSED: one trap, and the filter answers 503 until Envoy is restarted.
      return failOpen ? "OPEN" : "RELOAD";
    case "FAIL_RELOAD":
      return "RELOAD";
    case "FAIL_CLOSED":
      return "CLOSED";
    case "FAIL_OPEN":
      return "OPEN";
    default:
      config.fault("failure_policy", "must be one of UNSPECIFIED, FAIL_RELOAD, FAIL_CLOSED, FAIL_OPEN");
      return "CLOSED";
  }
}

/** `envoy.config.core.v3.BackoffStrategy`, with its defaults for who says nothing. */
function readBackoff(section: JsonSection | null): Backoff {
  if (section === null) return { base: 1000, max: 10_000 };
  const base = section.duration("base_interval", null, 1);
  if (base === null) section.fault("base_interval", "must be set");
  const max = section.duration("max_interval", null, 1);
  if (base !== null && max !== null && max < base) {
    section.fault("max_interval", "must not be below base_interval");
  }
  section.finish();
  return { base: base ?? 1000, max: max ?? 10 * (base ?? 1000) };
}

/** The names that are allowed; none at all means that nothing is restricted, as in Envoy. */
function readCapabilities(section: JsonSection | null): ReadonlySet<string> | null {
  const allowed = section?.map("allowed_capabilities") ?? null;
  // What may stand beside a name (SanitizationConfig) has no field yet.
  for (const name of allowed?.keys() ?? []) allowed?.section(name)?.finish();
  section?.finish();
  const names = allowed?.keys() ?? [];
  return names.length === 0 ? null : new Set(names);
}

function readVm(vm: JsonSection, allowedToPlugin: ReadonlySet<string> | null): VmConfig | null {
  // Precompiled code in a module is passed over, so it may be there. A changed module is always fetched beside the one
  // in force, which stays until then: to refuse the configuration meanwhile would change nothing.
  vm.inert("allow_precompiled", "nack_on_code_cache_miss");
  const id = vm.text("vm_id");
  const runtime = vm.text("runtime");
  if (runtime === `${RUNTIME}null`) vm.fault("runtime", `not implemented yet: ${runtime}`);
  else if (runtime !== "" && !/^envoy\.wasm\.runtime\.[a-z0-9_]+$/.test(runtime)) {
    vm.fault("runtime", `must begin with ${JSON.stringify(RUNTIME)}`);
  }
  const code = vm.required("code");
  const source = code === null ? null : readCode(code);
  const configuration = readPluginBytes(vm.section("configuration"));
  const environment = readEnvironment(vm.section("environment_variables"));
  const restriction = vm.section("capability_restriction_config");
  const allowedCapabilities = restriction === null ? allowedToPlugin : readCapabilities(restriction);
  vm.finish();
  return source === null ? null : { id, code: source, configuration, environment, allowedCapabilities };
}

function readEnvironment(section: JsonSection | null): Environment {
  if (section === null) return { inherited: [], given: [] };
  const values = section.map("key_values");
  const given = (values?.keys() ?? []).map((key) => {
    const value = values?.text(key) ?? "";
    if (!isName(key)) values?.fault(key, "is no name of a variable");
    if (value.includes("\0")) values?.fault(key, "must not contain NUL");
    return [utf8ByteString(key), value] as const;
  });
  const names = new Set(given.map(([name]) => name));
  const inherited = section.texts("host_env_keys");
  inherited.forEach((name, i) => {
    if (!isName(name)) section.fault(`host_env_keys[${i}]`, "is no name of a variable");
    if (names.has(name)) section.fault(`host_env_keys[${i}]`, `is given twice: ${name}`);
    names.add(name);
  });
  section.finish();
  return { inherited, given };
}

/** A guest's C library takes the first "=" for the end of the name, and NUL for the end of all. */
function isName(name: string): boolean {
  return name !== "" && !name.includes("=") && !name.includes("\0");
}

function readCode(code: JsonSection): CodeSource | null {
  const local = code.section("local");
  const remote = code.section("remote");
  code.finish();
  if (local !== null && remote !== null) code.faultHere("only one of local and remote may be set");
  if (local !== null) return readLocal(local);
  if (remote !== null) return readRemote(remote);
  code.faultHere("one of local, remote must be set");
  return null;
}

const LOCAL = ["filename", "inline_bytes", "inline_string", "environment_variable"];

function readLocal(local: JsonSection): CodeSource | null {
  // A module is read again whenever its file is another, however it came to its place.
  local.inert("watched_directory");
  const set = LOCAL.filter((key) => local.take(key) !== undefined);
  const source = readChosen(local, set[0] ?? "");
  if (set.length === 0) local.faultHere(`one of ${LOCAL.join(", ")} must be set`);
  if (set.length > 1) local.faultHere(`only one of ${set.join(" and ")} may be set`);
  local.finish();
  return source;
}

function readChosen(local: JsonSection, chosen: string): CodeSource | null {
  switch (chosen) {
    case "filename": {
      const path = local.text("filename");
      if (path === "") local.fault("filename", "must not be empty");
      return { kind: "file", path };
    }
    case "inline_bytes":
      return { kind: "inline", bytes: local.bytes("inline_bytes") };
    case "inline_string":
      return { kind: "inline", bytes: toBytes(local.text("inline_string")) };
    case "environment_variable":
      // No module fits: a variable has no NUL in it.
      local.refuse("environment_variable");
      return null;
    default:
      return null;
  }
}

function readRemote(remote: JsonSection): RemoteCode {
  const uri = remote.required("http_uri");
  const sha256 = lowerCase(remote.text("sha256"));
  if (sha256 === "") remote.fault("sha256", "must not be empty");
  else if (!/^[0-9a-f]{64}$/.test(sha256)) remote.fault("sha256", "must be 64 hexadecimal digits");
  const retry = remote.section("retry_policy");
  const retries = retry?.count("num_retries", 1) ?? 1;
  const backoff = readBackoff(retry?.section("retry_back_off") ?? null);
  // What a route's policy would look at; a download is repeated whatever was wrong with it.
  retry?.refuse("retry_on", "retry_priority", "retry_host_predicate", "host_selection_retry_max_attempts");
  retry?.finish();
  remote.finish();
  return { kind: "remote", ...readUri(uri), sha256, retries, backoff };
}

function readUri(section: JsonSection | null): Pick<RemoteCode, "uri" | "cluster" | "timeout"> {
  if (section === null) return { uri: "", cluster: "", timeout: 0 };
  const uri = section.text("uri");
  if (uri === "") section.fault("uri", "must not be empty");
  else if (!/^https?:\/\/[!-.0-~]+(\/[!-~]*)?$/.test(uri)) {
    section.fault("uri", "must be a URL that begins with http:// or https://");
  }
  const cluster = section.text("cluster");
  if (cluster === "") section.faultHere("one of cluster must be set");
  const timeout = section.duration("timeout", null);
  if (timeout === null) section.fault("timeout", "must be set");
  section.finish();
  return { uri, cluster, timeout: timeout ?? 0 };
}

/** Two lanes of 32 bits, as of a resource's version. */
function fingerprint(bytes: Uint8Array): string {
  let a = 0x811c9dc5;
  let b = 0x2f0b4a27;
  for (let i = 0; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i], 0x01000193);
    b = Math.imul(b ^ bytes[i] ^ (a >>> 13), 0x85ebca6b);
  }
  return hex(a) + hex(b);
}

function hex(lane: number): string {
  const mixed = Math.imul(lane ^ (lane >>> 16), 0x7feb352d);
  return ((mixed ^ (mixed >>> 15)) >>> 0).toString(16).padStart(8, "0");
}
