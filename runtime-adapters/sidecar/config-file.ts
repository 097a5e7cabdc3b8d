/**
 * Configuration files → configuration, with every fault as one line `file:line:column: path: message`.
 * The one place where a file's text meets `core/xds`; who watches the files is somebody else.
 */
import { readFileSync } from "node:fs";
import type { ExtensionConfig } from "../../core/config/model.ts";
import { readBootstrap } from "../../core/xds/bootstrap.ts";
import type { Checks } from "../../core/xds/checks.ts";
import { readResources } from "../../core/xds/discovery.ts";
import type {
  Bootstrap,
  Lead,
  ModelOf,
  Resource,
  ResourceKind,
  Subscription,
} from "../../core/xds/resource.ts";
import { type Document, formatFaults, readDocument } from "./document.ts";

/** A bootstrap, or why there is none. */
export interface BootstrapFile {
  /** Null if there is a fault. */
  readonly bootstrap: Bootstrap | null;
  /** Finished lines, in the order of the file. */
  readonly faults: readonly string[];
  /** The files that it leads to, whatever is wrong with it. */
  readonly leads: readonly Lead[];
}

/** A resource that a file has and that was refused. */
export interface Refusal {
  /** "" if the name could not be read. */
  readonly name: string;
  /** Finished lines. */
  readonly faults: readonly string[];
  readonly wants: readonly Subscription[];
}

/** What a file with a DiscoveryResponse holds. */
export interface ResourceFile<K extends ResourceKind> {
  readonly versionInfo: string;
  readonly resources: readonly Resource<ModelOf[K]>[];
  readonly refusals: readonly Refusal[];
  /** True if the file as a whole could not be read or is not a DiscoveryResponse: nothing in it counts. */
  readonly unreadable: boolean;
  /** True if there is no such file. */
  readonly missing: boolean;
  /** Every fault of the file and of its resources. */
  readonly faults: readonly string[];
}

/** Bytes; a configuration above this is a mistake (a log file, a device). */
const MAX_FILE_BYTES = 256 << 20;

/** The text of a file, or why it cannot be read. */
function readText(path: string): {
  readonly text: string;
  readonly fault: string;
  readonly missing: boolean;
} {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_FILE_BYTES) {
      return { text: "", fault: `${path}: larger than ${MAX_FILE_BYTES} bytes`, missing: false };
    }
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), fault: "", missing: false };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const reasons: { [code: string]: string } = {
      ENOENT: "no such file",
      EACCES: "permission denied",
      EISDIR: "is a directory",
      ERR_ENCODING_INVALID_ENCODED_DATA: "is not UTF-8",
    };
    return { text: "", fault: `${path}: ${reasons[code ?? ""] ?? message}`, missing: code === "ENOENT" };
  }
}

function syntaxFaults(path: string, document: Document): string[] {
  return document.errors.map(
    ({ position, message }) => `${path}:${position.line}:${position.column}: ${message}`,
  );
}

/** Reads a bootstrap file. Never throws. */
export function readBootstrapFile(path: string, checks: Checks): BootstrapFile {
  const { text, fault } = readText(path);
  if (fault !== "") return { bootstrap: null, faults: [fault], leads: [] };
  const document = readDocument(text);
  if (document.value === undefined) {
    return { bootstrap: null, faults: syntaxFaults(path, document), leads: [] };
  }
  const { bootstrap, faults, leads } = readBootstrap(document.value, checks);
  return { bootstrap, faults: formatFaults(path, document, faults), leads };
}

/** Reads a file with a DiscoveryResponse. Never throws; the good resources of a file are usable beside bad ones. */
export function readResourceFile<K extends ResourceKind>(
  kind: K,
  path: string,
  checks: Checks,
): ResourceFile<K> {
  const nothing = (faults: readonly string[], missing = false): ResourceFile<K> => ({
    versionInfo: "",
    resources: [],
    refusals: [],
    unreadable: true,
    missing,
    faults,
  });
  const { text, fault, missing } = readText(path);
  if (fault !== "") return nothing([fault], missing);
  const document = readDocument(text);
  if (document.value === undefined) return nothing(syntaxFaults(path, document));

  const update = readResources(kind, document.value, checks);
  if (update.faults.length > 0) return nothing(formatFaults(path, document, update.faults));
  const refusals = update.rejected.map(({ name, faults, wants }) => ({
    name,
    faults: formatFaults(path, document, faults),
    wants,
  }));
  return {
    versionInfo: update.versionInfo,
    resources: update.resources,
    refusals,
    unreadable: false,
    missing: false,
    faults: refusals.flatMap((each) => each.faults),
  };
}

/** What somebody waits for, in the file that should have it: exactly one of "resource" and "no resource, faults" holds. */
export interface Found<K extends ResourceKind> {
  readonly resource: Resource<ModelOf[K]> | null;
  /** Finished lines. */
  readonly faults: readonly string[];
  /** True if the file has it, and it cannot be used. */
  readonly refused: boolean;
}

/** Looks for what `wanted` names in `file`, which is its file. */
export function findResource<K extends ResourceKind>(file: ResourceFile<K>, wanted: Subscription): Found<K> {
  const { kind, name, path } = wanted;
  const resource = file.resources.find((each) => each.name === name);
  if (resource !== undefined) {
    const fault = kind === "ECDS" ? unfit(resource as Resource<ExtensionConfig>, wanted) : "";
    if (fault === "") return { resource, faults: [], refused: false };
    return { resource: null, faults: [`${path}: ${fault}`], refused: true };
  }
  const refusal = file.refusals.find((each) => each.name === name || each.name === "");
  if (refusal !== undefined) return { resource: null, faults: refusal.faults, refused: true };
  const faults = file.unreadable ? file.faults : [`${path}: has no ${kind} resource "${name}"`];
  return { resource: null, faults, refused: false };
}

/** "" or why a filter does not take that configuration. */
function unfit(
  { model }: Resource<ExtensionConfig>,
  wanted: Subscription & { readonly kind: "ECDS" },
): string {
  const { typeNames } = wanted.discovery;
  if (typeNames.includes(model.typeName)) return "";
  return `ECDS resource "${wanted.name}" is a ${model.typeName}, and type_urls allow ${typeNames.join(", ") || "nothing"}`;
}
