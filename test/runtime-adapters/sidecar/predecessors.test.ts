/** What stays in force while something waits or is refused: with what it needs, and whoever depends on it. */
import { expect, test } from "bun:test";
import type { Listener, Snapshot } from "../../../core/config/model.ts";
import { withDependents, withoutUnready } from "../../../runtime-adapters/sidecar/predecessors.ts";
import { httpManager, ip, listener, routeConfiguration, snapshot } from "../../support/snapshot-fixture.ts";

/** A listener that has its routes and a filter from elsewhere. */
function web(name: string, rds: string, resource: string, version: string, withoutWarming = false): Listener {
  const discovery = { resource, typeNames: ["t"], fallback: null, withoutWarming };
  const httpFilters = [{ name: "f", typeName: "", disabled: false, config: {}, discovery }];
  const manager = httpManager(routeConfiguration([]), { httpFilters });
  const made = listener(name, ip("127.0.0.1", 80), { ...manager, routeConfig: null, rds } as typeof manager);
  return { ...made, version };
}

const of = (listeners: Listener[], routes: string[], extensions: string[]): Snapshot =>
  snapshot(listeners, [], {
    routes: routes.map((name) => routeConfiguration([], { name })),
    extensions: extensions.map((name) => ({ name, version: "1", typeName: "t", config: {} })) as never,
  });

const shown = ({ listeners, routes, extensions }: Snapshot): string[] => [
  ...listeners.map(({ name, version }) => `${name}@${version}`),
  ...[...routes, ...extensions].map(({ name }) => name),
];

const before = of(
  [web("a", "r-old", "x-old", "1"), web("gone", "r-gone", "x-gone", "1")],
  ["r-old", "r-gone"],
  ["x-old", "x-gone"],
);
const wanted = of([web("a", "r-new", "x-new", "2"), web("b", "r-new", "x-new", "1")], ["r-new"], ["x-new"]);

test("a listener that stays keeps the routes and filters that only it has", () => {
  const held = withoutUnready(wanted, before, [{ kind: "listener", name: "a" }]);
  expect(shown(held)).toEqual(["a@1", "b@1", "r-new", "r-old", "x-new", "x-old"]);
  expect(withoutUnready(wanted, before, [])).toBe(wanted);
});

test("who needs what waits for the first time waits, too, and stays what it was", () => {
  for (const owner of [
    { kind: "route configuration", name: "r-new" },
    { kind: "extension", name: "x-new" },
  ] as const) {
    const unready = withDependents(wanted, before, [owner]);
    expect(unready).toEqual([owner, { kind: "listener", name: "a" }, { kind: "listener", name: "b" }]);
    const rest = owner.kind === "extension" ? ["r-new", "r-old", "x-old"] : ["r-old", "x-new", "x-old"];
    expect(shown(withoutUnready(wanted, before, unready))).toEqual(["a@1", ...rest]);
  }
});

test("who has a predecessor of what waits goes on with that, and so does who need not wait", () => {
  const later = of([web("a", "r-old", "x-old", "2")], ["r-old"], ["x-old"]);
  const owner = { kind: "extension", name: "x-old" } as const;
  expect(withDependents(later, before, [owner])).toEqual([owner]);
  const hasty = of([web("c", "r-new", "x-new", "1", true)], ["r-new"], ["x-new"]);
  const fresh = { kind: "extension", name: "x-new" } as const;
  expect(withDependents(hasty, before, [fresh])).toEqual([fresh]);
});
