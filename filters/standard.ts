/** The HTTP filters that ship, by the name of their configuration message. The router is always there. */
import type { FilterKinds } from "../core/filter/filter.ts";

export const STANDARD_FILTERS: FilterKinds = new Map();
