/** All groups of the oracle. */
import { clusters } from "./groups/clusters.ts";
import { faults } from "./groups/faults.ts";
import { headers } from "./groups/headers.ts";
import { identity } from "./groups/identity.ts";
import { localReplies } from "./groups/local-replies.ts";
import { paths } from "./groups/paths.ts";
import { protocol } from "./groups/protocol.ts";
import { redirects } from "./groups/redirects.ts";
import { rewrites } from "./groups/rewrites.ts";
import { routerOptions } from "./groups/router-options.ts";
import { routing } from "./groups/routing.ts";
import { tcp } from "./groups/tcp.ts";
import type { Group } from "./scenario.ts";

export const groups: readonly Group[] = [
  routing,
  redirects,
  rewrites,
  headers,
  clusters,
  faults,
  identity,
  paths,
  protocol,
  localReplies,
  tcp,
  routerOptions,
];
