/** Modules for tests: the filters that ship and the ones in filters-as/test, built when they are not up to date. */
import { join } from "node:path";
import { buildFilter, compile } from "../../scripts/build-filters.ts";
import { ROOT } from "./our-proxy.ts";

/** The path of a shipped filter's module. */
export function shippedFilter(name: string): string {
  return buildFilter(name);
}

/** The path of a module made of filters-as/test/<name>.ts; `options` are the compiler's. */
export function testModule(name: string, ...options: string[]): string {
  const entry = join(ROOT, "filters-as", "test", `${name}.ts`);
  return compile(entry, join(ROOT, "filters-as", "build", "test", `${name}.wasm`), options);
}
