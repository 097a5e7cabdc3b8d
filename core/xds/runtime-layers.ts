/** Layered runtime: nested keys are joined with dots, later layers win. */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { Json, Snapshot } from "../config/model.ts";
import { fieldPath } from "./faults.ts";
import type { LayeredRuntime } from "./generated/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import type { Context, Reader } from "./reader.ts";

type Value = string | number | boolean;

/** The merged values, and whether an admin layer lets `/runtime_modify` change them. */
export interface RuntimeLayers {
  readonly values: Snapshot["runtime"];
  readonly adminLayer: boolean;
}

/** Reads the layers. Without any there is none for admin either, as in Envoy. */
export function readRuntimeLayers(reader: Reader<LayeredRuntime> | null): RuntimeLayers {
  const layers = reader?.children("layers") ?? [];
  const values = new Map<string, Value>();
  const names = new Set<string>();
  let adminLayers = 0;
  for (const layer of layers) {
    const name = layer.text("name");
    if (names.has(name)) layer.fault("name", `is taken by an earlier layer: ${name}`);
    names.add(name);
    const chosen = layer.oneof("layerSpecifier");
    switch (chosen.case) {
      case "staticLayer":
        flatten(chosen.value as Json, "", chosen.path, values, layer.context);
        break;
      case "adminLayer":
        if (++adminLayers > 1) layer.faultHere("at most one admin layer is allowed");
        break;
      case undefined:
        break;
      default:
        layer.refuseOneof(chosen);
    }
  }
  return { values: Object.fromEntries(values), adminLayer: adminLayers > 0 };
}

function flatten(json: Json, key: string, path: string, into: Map<string, Value>, context: Context): void {
  const { checks, faults } = context;
  if (typeof json === "string" || typeof json === "number" || typeof json === "boolean") {
    const value = typeof json === "string" ? utf8ByteString(json) : json;
    const why = checks.checkRuntime?.(key, value) ?? "";
    if (why !== "") faults.add(path, why);
    into.set(key, value);
  } else if (json === null || Array.isArray(json)) {
    faults.add(path, "must be a text, a number, a boolean or an object");
  } else {
    const object = json as { readonly [name: string]: Json };
    if ("numerator" in object || "denominator" in object) {
      faults.refuse(path, "a fraction as a runtime value; give the numerator alone");
      return;
    }
    for (const name of Object.keys(object)) {
      const joined = key === "" ? utf8ByteString(name) : `${key}.${utf8ByteString(name)}`;
      flatten(object[name], joined, fieldPath(path, name), into, context);
    }
  }
}
