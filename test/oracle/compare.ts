/** Compares our record with Envoy's, leaf by leaf, and takes off what is different on purpose. */
import type { Difference, StatDifference } from "./differences.ts";
import { leaves, type Plain } from "./observation.ts";
import type { Record } from "./run-group.ts";

function pattern(text: string): RegExp {
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`);
}

export interface Comparison {
  /** One line per kind of leaf that differs without permission, with the asks where it does. */
  readonly faults: readonly string[];
  /** Differences that were met. */
  readonly used: ReadonlySet<Difference | StatDifference>;
  /** Leaves compared. */
  readonly compared: number;
}

export function compare(
  group: string,
  theirs: Record,
  ours: Record,
  allowed: readonly Difference[],
  allowedStats: readonly StatDifference[],
): Comparison {
  const faults = new Map<string, string[]>();
  const fault = (where: string, what: string) => {
    const list = faults.get(what) ?? [];
    faults.set(what, list);
    list.push(where);
  };
  const used = new Set<Difference | StatDifference>();
  let compared = 0;
  const rules = allowed.map((rule) => ({
    rule,
    asks: rule.asks.map(pattern),
    fields: rule.fields.map(pattern),
  }));
  const statRules = allowedStats.map((rule) => ({ rule, names: rule.names.map(pattern) }));

  for (const [id, expected] of Object.entries(theirs.asks)) {
    const got = ours.asks[id];
    const a = leaves(expected as unknown as Plain);
    const b = leaves((got ?? null) as unknown as Plain);
    for (const path of new Set([...a.keys(), ...b.keys()])) {
      compared++;
      if (a.get(path) === b.get(path)) continue;
      const rule = rules.find(
        ({ asks, fields }) =>
          asks.some((one) => one.test(`${group}/${id}`)) && fields.some((one) => one.test(path)),
      );
      if (rule !== undefined) used.add(rule.rule);
      else fault(id, `${path}: Envoy ${show(a.get(path))}, ours ${show(b.get(path))}`);
    }
  }
  for (const name of new Set([...Object.keys(theirs.stats), ...Object.keys(ours.stats)])) {
    compared++;
    if (theirs.stats[name] === ours.stats[name]) continue;
    const rule = statRules.find(({ names }) => names.some((one) => one.test(`${group}/${name}`)));
    if (rule !== undefined) used.add(rule.rule);
    else fault("statistics", `${name}: Envoy ${theirs.stats[name] ?? 0}, ours ${ours.stats[name] ?? 0}`);
  }
  const text = [...faults].map(([what, where]) => {
    const more = where.length > 4 ? ` and ${where.length - 4} more` : "";
    return `${group}: ${where.slice(0, 4).join(", ")}${more}: ${what}`;
  });
  return { faults: text, used, compared };
}

function show(value: Plain | undefined): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 160 ? `${text.slice(0, 160)}…(${text.length})` : text;
}
