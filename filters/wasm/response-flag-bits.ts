/** Response flags as the number that Envoy shows to filters (`response.flags`): one bit each, in Envoy's order. */
import type { ResponseFlag } from "../../core/errors.ts";

const ORDER: readonly ResponseFlag[] = [
  "LH",
  "UH",
  "UT",
  "LR",
  "UR",
  "UF",
  "UC",
  "UO",
  "NR",
  "DI",
  "FI",
  "RL",
  "UAEX",
  "RLSE",
  "DC",
  "URX",
  "SI",
  "IH",
  "DPE",
  "UMSDR",
  "RFCF",
  "NFCF",
  "DT",
  "UPE",
  "NC",
  "OM",
  "DF",
  "DO",
];

/** The sum of the bits of `flags`. */
export function responseFlagBits(flags: readonly ResponseFlag[]): number {
  let bits = 0;
  for (const flag of flags) {
    const place = ORDER.indexOf(flag);
    if (place >= 0) bits += 2 ** place;
  }
  return bits;
}
