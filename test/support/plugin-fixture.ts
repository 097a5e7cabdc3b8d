/** Configurations of WASM plugins in Envoy's shape: every field filled in that a story is not about. */
import type { HttpFilter, Json } from "../../core/config/model.ts";
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";

/** The kind under which stories know the host. */
export const WASM_TYPE = "test.Wasm";

/** A plugin of the chain; those without a name are "p", "q", "r", … by their places. */
export interface Plugin {
  readonly guest: CompiledModule | null;
  readonly name?: string;
  /** What `proxy_on_configure` reads. */
  readonly configuration?: string;
  /** More of Envoy's PluginConfig, and of its VmConfig. */
  readonly config?: { readonly [field: string]: Json };
  readonly vm?: { readonly [field: string]: Json };
}

/** A StringValue as a packed message. */
export function packed(value: string): Json {
  return { "@type": "type.googleapis.com/google.protobuf.StringValue", value };
}

/** The message that configures a plugin. */
export function pluginJson({ name = "p", configuration = "", config = {}, vm = {} }: Plugin): Json {
  return {
    config: {
      name,
      failure_policy: "FAIL_CLOSED",
      configuration: packed(configuration),
      ...config,
      vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: name } }, ...vm },
    },
  };
}

/** How a plugin stands in the configuration of a chain. */
export function wasmFilter(plugin: Plugin): HttpFilter {
  return {
    name: plugin.name ?? "p",
    typeName: WASM_TYPE,
    disabled: false,
    config: pluginJson(plugin),
    discovery: null,
  };
}
