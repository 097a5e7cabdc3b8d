/**
 * Whole requests through the engine (filter-chain.ts) with the filters that ship, configured as `npm run bench` has
 * them: what each of them, the three together, and their fuel add to the engine without filters.
 */
import { readFileSync } from "node:fs";
import { toBytes } from "../../../core/bytes/ascii.ts";
import type { HttpFilter, Json } from "../../../core/config/model.ts";
import { WASM_HTTP } from "../../../filters/standard.ts";
import type { CompiledModule } from "../../../filters/wasm/compiled-module.ts";
import { providedImports } from "../../../filters/wasm/host/host-functions.ts";
import { prepareModule } from "../../../filters/wasm/module/prepare-module.ts";
import { checkedPlugin } from "../../../filters/wasm/plugin-config.ts";
import { SharedStore } from "../../../filters/wasm/shared-store.ts";
import { vmLimits } from "../../../filters/wasm/vm-limits.ts";
import { moduleKey, WasmHost } from "../../../filters/wasm/wasm-host.ts";
import {
  authz,
  chainOf,
  type FilterChain,
  headers,
  KEY_HEADER,
  minimal,
  NO_FILTERS,
  pathsOfRules,
  REQUEST_HEADERS,
  ratelimit,
} from "../../macro/filter-chains.ts";
import type { MicroCase } from "../micro-case.ts";
import { requestLoop } from "./filter-chain.ts";

const RULES = 20;

/** One that the rule in the middle allows. */
function request(): Uint8Array {
  const fields = Object.entries({ ...REQUEST_HEADERS, [KEY_HEADER]: "key-7" });
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const [path] = pathsOfRules(RULES, RULES - 1).slice(RULES >> 1);
  return toBytes(`GET ${path} HTTP/1.1\r\n${lines}\r\n`);
}

function through({ filters, fuel }: FilterChain): (times: number) => number {
  const runtime = { "tulle.wasm.fuel": fuel };
  const modules = new Map<string, CompiledModule>();
  const chain = (filters as Link[]).map(({ name, typed_config: { config } }): HttpFilter => {
    const plugin = checkedPlugin({ config }, name);
    if (plugin.vm.code.kind !== "file") throw new Error(`${name} is no file`);
    modules.set(moduleKey(plugin, vmLimits(runtime, name)), compiled(plugin.vm.code.path, fuel));
    return { name, typeName: WASM_HTTP, disabled: false, config: { config }, discovery: null };
  });
  const host = new WasmHost(0, {}, () => undefined);
  const shared = SharedStore.create({ threads: 1, seed: [1, 2], bytes: 1 << 24 });
  host.setSupply({ modules, runtime, shared });
  return requestLoop(chain, new Map([[WASM_HTTP, host]]), [request()]);
}

/** A filter of a bootstrap, as filter-chains.ts writes it. */
interface Link {
  readonly name: string;
  readonly typed_config: { readonly config: Json };
}

function compiled(path: string, fuel: boolean): CompiledModule {
  const provided = providedImports();
  const prepared = prepareModule(readFileSync(path), {
    providedImports: provided,
    maxPages: 2048,
    fuel,
    maxBytes: 1 << 24,
  });
  if ("faults" in prepared) throw new Error(prepared.faults.map(({ message }) => message).join("; "));
  const module = new WebAssembly.Module(prepared.bytes as BufferSource);
  return { module, abi: prepared.inspection.abiVersion, sha256: path };
}

const three = (fuel: boolean) => chainOf([authz(RULES), ratelimit(), headers()], fuel);

function engine(name: string, chain: () => FilterChain): MicroCase {
  return { name: `shipped filters: ${name}`, prepare: () => through(chain()) };
}

export const SHIPPED_FILTERS: readonly MicroCase[] = [
  engine("none", () => NO_FILTERS),
  engine("minimal", minimal),
  engine("authz, 20 rules", () => authz(RULES)),
  engine("ratelimit, 2 descriptors", ratelimit),
  engine("headers, 5 operations", headers),
  engine("the three", () => three(true)),
  engine("the three without fuel", () => three(false)),
];
