/** `/runtime` and `/runtime_modify`: runtime values by layer, and overrides that an operator sets while it runs. */
import type { Json, Snapshot } from "../../../core/config/model.ts";
import type { Bootstrap } from "../../../core/xds/resource.ts";

type Values = Snapshot["runtime"];

/** Key → text as it was given. */
export type RuntimeOverrides = ReadonlyMap<string, string>;

export const RUNTIME_USAGE = `usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override`;

/** The configured values with the overrides on top. */
export function overridden(configured: Values, overrides: RuntimeOverrides): Values {
  if (overrides.size === 0) return configured;
  const values: { [key: string]: string | number | boolean } = { ...configured };
  for (const [key, text] of overrides) values[key] = parseValue(text);
  return values;
}

function parseValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : text;
}

/** The page: each key with its value in every layer, the last that has one deciding. */
export function runtimePage(bootstrap: Bootstrap, overrides: RuntimeOverrides): Json {
  const configured = layersOf(bootstrap.source);
  const layers = configured.map(({ name, isAdmin, values }) => ({
    name,
    values: isAdmin ? overrides : values,
  }));
  const entries: { [key: string]: Json } = {};
  for (const key of new Set(layers.flatMap(({ values }) => [...values.keys()]))) {
    const layerValues = layers.map(({ values }) => values.get(key) ?? "");
    entries[key] = {
      final_value: layerValues.findLast((value) => value !== "") ?? "",
      layer_values: layerValues,
    };
  }
  return { entries, layers: layers.map(({ name }) => name) };
}

/** The layers, the first one first. */
export function layerNames(bootstrap: Bootstrap): readonly string[] {
  return layersOf(bootstrap.source).map(({ name }) => name);
}

interface Layer {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly values: ReadonlyMap<string, string>;
}

/** The layers of a bootstrap that was found sound. */
function layersOf(source: Json): Layer[] {
  const bootstrap = source as { readonly layered_runtime?: { readonly layers?: readonly Json[] } };
  return (bootstrap.layered_runtime?.layers ?? []).map((json) => {
    const layer = json as {
      readonly name?: string;
      readonly admin_layer?: Json;
      readonly static_layer?: Json;
    };
    const values = new Map<string, string>();
    flatten(layer.static_layer ?? {}, "", values);
    return { name: layer.name ?? "", isAdmin: layer.admin_layer !== undefined, values };
  });
}

function flatten(json: Json, key: string, into: Map<string, string>): void {
  if (json === null || typeof json !== "object") into.set(key, String(json));
  else {
    for (const [name, value] of Object.entries(json))
      flatten(value, key === "" ? name : `${key}.${name}`, into);
  }
}
