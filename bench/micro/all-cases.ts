/** What `npm run bench:micro` measures, in the order of its table. */
import { BALANCER_PICKS } from "./cases/balancer-picks.ts";
import { BODY } from "./cases/body.ts";
import { FILTER_CHAIN } from "./cases/filter-chain.ts";
import { HEAD_PARSE } from "./cases/head-parse.ts";
import { HEAD_WRITE } from "./cases/head-write.ts";
import { HEADER_GET } from "./cases/header-get.ts";
import { ROUTE_MATCH } from "./cases/route-match.ts";
import { SHARED_STORE } from "./cases/shared-store.ts";
import { SHIPPED_FILTERS } from "./cases/shipped-filters.ts";
import { TIMERS } from "./cases/timers.ts";
import { WASM_FILTER } from "./cases/wasm-filter.ts";
import type { MicroCase } from "./micro-case.ts";

export const ALL_CASES: readonly MicroCase[] = [
  ...HEAD_PARSE,
  ...HEAD_WRITE,
  ...HEADER_GET,
  ...ROUTE_MATCH,
  ...BODY,
  ...BALANCER_PICKS,
  ...TIMERS,
  ...SHARED_STORE,
  ...FILTER_CHAIN,
  ...WASM_FILTER,
  ...SHIPPED_FILTERS,
];
