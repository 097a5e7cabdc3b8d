/** Envoy's `DnsLookupFamily`: which records to ask for, and which of the answers to keep. */
import type { LookupFamily } from "../core/io/platform.ts";

/** False if answers of that version would be thrown away. */
export function wantsV4(family: LookupFamily): boolean {
  return family !== "v6_only";
}

/** False if answers of that version would be thrown away. */
export function wantsV6(family: LookupFamily): boolean {
  return family !== "v4_only";
}

/** Chooses between two lists, each in the order of the resolver: "auto" prefers IPv6, "all" keeps both. */
export function ofFamily(
  v4: readonly string[],
  v6: readonly string[],
  family: LookupFamily,
): readonly string[] {
  switch (family) {
    case "v4_only":
      return v4;
    case "v6_only":
      return v6;
    case "v4_preferred":
      return v4.length > 0 ? v4 : v6;
    case "auto":
      return v6.length > 0 ? v6 : v4;
    case "all":
      return v6.length === 0 ? v4 : [...v6, ...v4];
  }
}
