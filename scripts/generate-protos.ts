/**
 * Generates core/xds/generated/ from the `.proto` files of Envoy's v3 API that @grpc/grpc-js-xds ships:
 *
 * - `**\/*_pb.ts` (protoc-gen-es): the TypeScript types that the translation is checked against, and the codecs
 *   for xDS over gRPC. Reading a configuration file imports their types only: loading them costs a process
 *   about 45 MB and 0.2 s.
 * - `schema.ts`: the same messages as one compact text per message, with the validation rules of the API.
 *   This is all that reading a file loads.
 *
 * Run it with `npm run generate` after a change to ROOTS or an update of the package, and commit the result.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createFileRegistry,
  type DescExtension,
  type DescField,
  type DescMessage,
  type DescOneof,
  fromBinary,
  getOption,
  hasOption,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** What a configuration may contain; everything that these files import comes along. */
const ROOTS = [
  "envoy/config/bootstrap/v3/bootstrap.proto",
  "envoy/service/discovery/v3/discovery.proto",
  "envoy/config/listener/v3/listener.proto",
  "envoy/config/cluster/v3/cluster.proto",
  "envoy/config/route/v3/route.proto",
  "envoy/config/endpoint/v3/endpoint.proto",
  "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
  "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
  "envoy/extensions/filters/http/router/v3/router.proto",
  "envoy/extensions/filters/http/grpc_stats/v3/config.proto",
  "envoy/extensions/filters/http/grpc_web/v3/grpc_web.proto",
  "envoy/extensions/filters/http/wasm/v3/wasm.proto",
  "envoy/extensions/filters/network/wasm/v3/wasm.proto",
  "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
  "envoy/extensions/access_loggers/file/v3/file.proto",
  "envoy/extensions/access_loggers/stream/v3/stream.proto",
  "envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case.proto",
  "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
  "envoy/extensions/health_check/event_sinks/file/v3/file.proto",
  "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto",
  "envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto",
  "envoy/extensions/load_balancing_policies/random/v3/random.proto",
  "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
  "envoy/extensions/transport_sockets/tls/v3/tls.proto",
  "envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config.proto",
  "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
  "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
  "envoy/extensions/request_id/uuid/v3/uuid.proto",
];

/**
 * What the package lacks, as insertions behind a line of its files: fields that Envoy 1.40 has (names, numbers and
 * types as in the descriptors inside its binary) and rules that its own files use. Once the package has caught up,
 * an insertion is a duplicate, buf says so, and the entry goes.
 */
const NEWER: readonly { readonly file: string; readonly behind: string; readonly insert: string }[] = [
  {
    // The validation rules that the package ships are older than the API beside them.
    file: "validate/validate.proto",
    behind: "message StringRules {",
    insert: "optional bool ignore_empty = 26;",
  },
  {
    file: "envoy/extensions/wasm/v3/wasm.proto",
    behind: "package envoy.extensions.wasm.v3;",
    insert: `import "envoy/config/core/v3/backoff.proto";
             import "google/protobuf/wrappers.proto";
             enum FailurePolicy { UNSPECIFIED = 0; FAIL_RELOAD = 1; FAIL_CLOSED = 2; FAIL_OPEN = 3; }
             message ReloadConfig { config.core.v3.BackoffStrategy backoff = 1; }`,
  },
  {
    file: "envoy/extensions/wasm/v3/wasm.proto",
    behind: "message VmConfig {",
    insert: "CapabilityRestrictionConfig capability_restriction_config = 8;",
  },
  {
    file: "envoy/extensions/wasm/v3/wasm.proto",
    behind: "message PluginConfig {",
    insert: `FailurePolicy failure_policy = 7;
             ReloadConfig reload_config = 8;
             google.protobuf.BoolValue allow_on_headers_stop_iteration = 9;`,
  },
];

/** Packages of annotations: they guide this script and are of no use to anyone else. */
const ANNOTATIONS = /^(validate|udpa\/annotations|xds\/annotations|envoy\/annotations|google\/api)\//;

const repository = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(repository, "node_modules", ".bin");
const deps = join(repository, "node_modules", "@grpc", "grpc-js-xds", "deps");
const work = mkdtempSync(join(tmpdir(), "tulle-protos-"));
try {
  gather(join(work, "protos"));
  const image = build(join(work, "protos"), join(work, "image.binpb"));
  const messages = describe(image);
  generateMessages(image, join(work, "bare.binpb"));
  writeFileSync(join(repository, "core", "xds", "generated", "schema.ts"), messages);
} finally {
  rmSync(work, { recursive: true });
}

/** Copies the roots and everything that they import into one folder. */
function gather(into: string): void {
  const modules = ["envoy-api", "googleapis", "protoc-gen-validate", "xds"].map((name) => join(deps, name));
  const waiting = [...ROOTS];
  const seen = new Set<string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path) || path.startsWith("google/protobuf/")) continue; // buf knows those
    seen.add(path);
    const module = modules.find((folder) => existsSync(join(folder, path)));
    if (module === undefined) throw new Error(`no such .proto file: ${path}`);
    const text = newer(path, readFileSync(join(module, path), "utf8"));
    for (const [, imported] of text.matchAll(/^\s*import (?:public )?"([^"]+)";/gm)) waiting.push(imported);
    mkdirSync(dirname(join(into, path)), { recursive: true });
    writeFileSync(join(into, path), text);
  }
}

/** The text of a file, with what the package lacks. */
function newer(path: string, text: string): string {
  for (const { file, behind, insert } of NEWER) {
    if (file !== path) continue;
    if (!text.includes(behind)) throw new Error(`${path} has no "${behind}"`);
    text = text.replace(behind, `${behind}\n${insert}`);
  }
  return text;
}

function build(folder: string, image: string): FileDescriptorSet {
  writeFileSync(join(folder, "buf.yaml"), "version: v2\n");
  buf(folder, ["build", "--exclude-source-info", "-o", image]);
  return fromBinary(FileDescriptorSetSchema, readFileSync(image));
}

function buf(cwd: string, args: string[]): void {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  execFileSync(join(bin, "buf"), args, { cwd, env, stdio: "inherit" });
}

/** Runs protoc-gen-es on the messages, freed of every annotation. */
function generateMessages(image: FileDescriptorSet, path: string): void {
  const files = image.file.filter((file) => !ANNOTATIONS.test(file.name));
  for (const file of files) {
    const kept = new Map<number, number>();
    const dependency: string[] = [];
    file.dependency.forEach((name, index) => {
      if (ANNOTATIONS.test(name) || name === "google/protobuf/descriptor.proto") return;
      kept.set(index, dependency.push(name) - 1);
    });
    file.publicDependency = file.publicDependency.flatMap((index) => kept.get(index) ?? []);
    file.weakDependency = [];
    file.dependency = dependency;
    strip(file);
  }
  image.file = files;
  writeFileSync(path, toBinary(FileDescriptorSetSchema, image));
  cpSync(join(repository, "core", "xds", "buf.gen.yaml"), join(work, "buf.gen.yaml"));
  buf(repository, ["generate", "--template", join(work, "buf.gen.yaml"), path]);
}

/** Removes options, but those that say how a message is encoded. */
function strip(node: unknown): void {
  if (Array.isArray(node)) {
    for (const entry of node) strip(entry);
  } else if (typeof node === "object" && node !== null) {
    const object = node as { [key: string]: unknown };
    const options = object.options as { mapEntry?: boolean; packed?: boolean } | undefined;
    if (options !== undefined && options.mapEntry !== true) object.options = undefined;
    for (const [key, value] of Object.entries(object)) if (key !== "options") strip(value);
  }
}

/** The text of schema.ts. */
function describe(image: FileDescriptorSet): string {
  const registry = createFileRegistry(image);
  const fieldRules = registry.getExtension("validate.rules") as DescExtension;
  const oneofRequired = registry.getExtension("validate.required") as DescExtension;
  const sensitive = registry.getExtension("udpa.annotations.sensitive") as DescExtension;
  const messages: string[] = [];
  const enums: string[] = [];
  const types = [...registry]
    .filter((type) => type.kind === "message" || type.kind === "enum")
    .filter((type) => !ANNOTATIONS.test(`${type.file.name}.proto`))
    .filter((type) => type.file.name !== "google/protobuf/descriptor")
    .sort((a, b) => (a.typeName < b.typeName ? -1 : 1));
  for (const type of types) {
    if (type.kind === "enum") {
      enums.push(`  "${type.typeName}": "${type.values.map((v) => `${v.name}=${v.number}`).join(" ")}",`);
    } else if (!type.typeName.startsWith("google.protobuf.")) {
      const lines = [...type.oneofs.flatMap((oneof) => oneofLine(oneof)), ...type.fields.map(fieldLine)];
      messages.push(`  "${type.typeName}": ${quote(lines)},`);
    }
  }
  return `// @generated by scripts/generate-protos.ts from the .proto files of Envoy's v3 API: do not edit.
//
// One line per field: number, type, name; then "oneof=<name>" or "optional", "deprecated", "sensitive", and the validation
// rules as JSON. core/xds/schema.ts reads it.

export const MESSAGES: { readonly [typeName: string]: string } = {
${messages.join("\n")}
};

export const ENUMS: { readonly [typeName: string]: string } = {
${enums.join("\n")}
};
`;

  function oneofLine(oneof: DescOneof): string[] {
    return hasOption(oneof, oneofRequired) && getOption(oneof, oneofRequired) === true
      ? [`required ${oneof.name}`]
      : [];
  }

  function fieldLine(field: DescField): string {
    const words = [String(field.number), typeOf(field), field.name];
    if (field.oneof !== undefined) words.push(`oneof=${field.oneof.name}`);
    else if (field.proto.proto3Optional) words.push("optional");
    if (field.proto.options?.deprecated) words.push("deprecated");
    if (hasOption(field, sensitive)) words.push("sensitive");
    if (hasOption(field, fieldRules)) {
      const rules = flatten(
        toJson(fieldRules.message as DescMessage, getOption(field, fieldRules) as never, {
          useProtoFieldName: true,
        }),
      );
      if (Object.keys(rules).length > 0) words.push(JSON.stringify(rules));
    }
    return words.join(" ");
  }
}

function typeOf(field: DescField): string {
  const of =
    field.message?.typeName ?? field.enum?.typeName ?? ScalarType[field.scalar as ScalarType].toLowerCase();
  if (field.fieldKind === "list") return `${of}[]`;
  if (field.fieldKind === "map") return `map<${ScalarType[field.mapKey].toLowerCase()},${of}>`;
  return of;
}

/** `{"string": {"min_len": "1"}}` → `{"min_len": 1}`: the type of the field says which kind it is. */
function flatten(rules: unknown): { [rule: string]: unknown } {
  const out: { [rule: string]: unknown } = {};
  for (const [kind, body] of Object.entries(rules as { [kind: string]: { [rule: string]: unknown } })) {
    if (typeof body !== "object") continue; // an option of the rules as a whole
    for (const [rule, value] of Object.entries(body)) {
      if (rule === "items" || rule === "keys" || rule === "values") {
        const inner = flatten(value);
        if (Object.keys(inner).length > 0) out[rule] = inner;
      } else if (rule === "defined_only" || rule === "strict") {
        // Every unknown enum value is refused, and header text is judged by our own, stricter rules.
      } else {
        out[rule] =
          kind === "string" && typeof value === "string" && !/^\d+$/.test(value) ? value : plain(value);
      }
    }
  }
  return out;
}

/** Numbers that JSON quotes become numbers, durations milliseconds. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "string") return value;
  if (/^-?\d+$/.test(value)) return Number(value);
  if (/^-?[\d.]+s$/.test(value)) return Math.round(Number(value.slice(0, -1)) * 1e6) / 1e3;
  return value;
}

function quote(lines: string[]): string {
  const text = lines.join("\n    ").replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${");
  return lines.length === 0 ? '""' : `\`\n    ${text}\``;
}
