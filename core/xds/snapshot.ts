/** Static and dynamic resources → what is in force. (Signature first; the body follows.) */
import type { Snapshot } from "../config/model.ts";
import type { Bootstrap, Dynamic, SnapshotResult } from "./resource.ts";

/**
 * Combines static and dynamic resources. A listener whose routes (cluster whose endpoints) have not arrived is
 * warming: its predecessor in `previous` stays in force, or it is left out. `givenUp` holds "RDS/<name>" and
 * "EDS/<name>" of subscriptions whose initial fetch timed out: nobody waits for those.
 */
export function buildSnapshot(
  bootstrap: Bootstrap,
  _dynamic: Dynamic,
  _previous: Snapshot | null = null,
  _givenUp: ReadonlySet<string> = new Set(),
): SnapshotResult {
  const { node, runtime } = bootstrap;
  return { snapshot: { node, runtime, listeners: [], clusters: [], routes: [], endpoints: [] }, warming: [] };
}
