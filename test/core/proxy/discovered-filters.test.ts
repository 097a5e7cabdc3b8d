/** What fills a place of the chain whose configuration comes from elsewhere, and when its listener may serve. */
import { expect, test } from "bun:test";
import type { ExtensionConfig, FilterDiscovery, HttpFilter, Json } from "../../../core/config/model.ts";
import type { FilterKinds } from "../../../core/filter/filter.ts";
import type { FilterContext } from "../../../core/filter/filter-context.ts";
import { HttpFilters } from "../../../core/proxy/http-filters.ts";

/** What was made and given back, in order. */
let made: string[] = [];

const kinds: FilterKinds = new Map(
  ["test.A", "test.B"].map((type) => [
    type,
    {
      factory: (config: Json, name: string) => {
        const what = `${name} ${type.slice(-1)}${JSON.stringify(config)}`;
        made.push(`+${what}`);
        return { create: () => null, release: () => made.push(`-${what}`) };
      },
    },
  ]),
);

/** A chain with one filter that is to be discovered. */
function chain(discovery: Partial<FilterDiscovery>): HttpFilters {
  made = [];
  const filter: HttpFilter = {
    name: "a",
    typeName: "",
    disabled: false,
    config: {},
    discovery: {
      resource: "/f#a",
      typeNames: ["test.A"],
      fallback: null,
      withoutWarming: false,
      ...discovery,
    },
  };
  return new HttpFilters([filter], { kinds, networkKinds: new Map(), context: {} as FilterContext });
}

const delivered = (config: Json, version: string, typeName = "test.A") =>
  new Map<string, ExtensionConfig>([["/f#a", { name: "/f#a", version, typeName, config }]]);
const NOTHING = new Map<string, ExtensionConfig>();
const fallback = { typeName: "test.A", config: 0 };

test("without a default it waits; each new version takes the place of the one before", () => {
  const filters = chain({});
  filters.updateExtensions(NOTHING);
  expect([filters.ready, made]).toEqual([false, []]);
  filters.updateExtensions(delivered(1, "v1"));
  filters.updateExtensions(delivered(1, "v1"));
  expect([filters.ready, made]).toEqual([true, ["+a A1"]]);
  filters.updateExtensions(delivered(2, "v2"));
  expect(made.slice(1)).toEqual(["+a A2", "-a A1"]);
  filters.updateExtensions(NOTHING);
  expect([filters.ready, made.length]).toEqual([true, 3]);
});

test.each([true, false])("a default serves until something comes (without warming: %s)", (withoutWarming) => {
  const filters = chain({ fallback, withoutWarming });
  filters.updateExtensions(NOTHING);
  filters.updateExtensions(NOTHING);
  expect([filters.ready, made]).toEqual([true, ["+a A0"]]);
  filters.updateExtensions(delivered(1, "v1"));
  expect(made.slice(1)).toEqual(["+a A1", "-a A0"]);
});

test("a default is not made for nothing where something has come already", () => {
  chain({ fallback }).updateExtensions(delivered(1, "v1"));
  expect(made).toEqual(["+a A1"]);
});

test("a type that the filter does not take counts as nothing", () => {
  const filters = chain({});
  filters.updateExtensions(delivered(1, "v1", "test.B"));
  expect([filters.ready, made]).toEqual([false, []]);
  filters.updateExtensions(delivered(1, "v2"));
  filters.updateExtensions(delivered(2, "v3", "test.B"));
  expect(made).toEqual(["+a A1"]);
});
