/** The environment that a guest sees through WASI: what its configuration gives it, and nothing else. */
import type { PluginConfig } from "./plugin-config.ts";

/** What a guest sees of the environment: what it is given, then what the process has of what it may inherit. */
export function environmentOf(
  { vm: { environment } }: PluginConfig,
  variables: { readonly [name: string]: string },
): readonly (readonly [string, string])[] {
  const inherited = environment.inherited.flatMap((name): [string, string][] =>
    Object.hasOwn(variables, name) ? [[name, variables[name]]] : [],
  );
  return [...environment.given, ...inherited];
}
