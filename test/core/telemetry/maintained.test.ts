/**
 * A statistic that nothing moves is a lie on the admin page. Every field of a set must be written somewhere: by
 * the engine, the clusters, or the process. `WAITING` lists those that still have to be, and shrinks.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BreakerStats, ClusterStats, RemainingStats } from "../../../core/telemetry/cluster-stats.ts";
import { Http1Stats, HttpStats } from "../../../core/telemetry/http-stats.ts";
import { Http2Stats } from "../../../core/telemetry/http2-stats.ts";
import { ListenerStats, ProtocolDetectionStats } from "../../../core/telemetry/listener-stats.ts";
import { ResponseClassStats } from "../../../core/telemetry/response-stats.ts";
import { RouteStats } from "../../../core/telemetry/route-stats.ts";
import {
  ClusterManagerStats,
  ClusterUpdateStats,
  FilesystemStats,
  ListenerManagerStats,
  RuntimeStats,
  ServerStats,
  TulleStats,
} from "../../../core/telemetry/server-stats.ts";
import { TcpStats } from "../../../core/telemetry/tcp-stats.ts";
import { HttpInspectorStats, TlsInspectorStats } from "../../../core/telemetry/tls-stats.ts";

const ROOT = join(import.meta.dir, "../../..");
const WRITERS = [
  "core/http",
  "core/http1",
  "core/http2",
  "core/cluster",
  "core/proxy",
  "runtime-adapters",
  "runtime-adapters/sidecar",
];

/** Set → fields that nobody writes yet, and why they are there. */
const WAITING: { readonly [set: string]: { readonly [field: string]: string } } = {
  HttpStats: {
    downstreamRqTooLarge: "413 is for filters that buffer a body; the first of them will count it",
  },
};

const SETS: readonly (readonly [string, object])[] = [
  ["BreakerStats", new BreakerStats()],
  ["ClusterManagerStats", new ClusterManagerStats()],
  ["ClusterStats", new ClusterStats()],
  ["ClusterUpdateStats", new ClusterUpdateStats()],
  ["FilesystemStats", new FilesystemStats()],
  ["Http1Stats", new Http1Stats()],
  ["Http2Stats", new Http2Stats()],
  ["HttpInspectorStats", new HttpInspectorStats()],
  ["HttpStats", new HttpStats()],
  ["ListenerManagerStats", new ListenerManagerStats()],
  ["ListenerStats", new ListenerStats()],
  ["ProtocolDetectionStats", new ProtocolDetectionStats()],
  ["RemainingStats", new RemainingStats()],
  ["ResponseClassStats", new ResponseClassStats()],
  ["RouteStats", new RouteStats()],
  ["RuntimeStats", new RuntimeStats()],
  ["ServerStats", new ServerStats()],
  ["TcpStats", new TcpStats()],
  ["TlsInspectorStats", new TlsInspectorStats()],
  ["TulleStats", new TulleStats()],
];

/** Names after which a source writes: an increment, an assignment, a record, or a name handed on as text. */
function writtenNames(): ReadonlySet<string> {
  const names = new Set<string>();
  const collect = (folder: string, pattern: RegExp) => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
      const text = readFileSync(join(ROOT, folder, entry.name), "utf8");
      for (const match of text.matchAll(pattern)) names.add(match[1] ?? match[2]);
    }
  };
  const write = /\.(\w+)(?:\+\+|--| [-+]?= |\.record\()|"(\w+)"/g;
  for (const folder of WRITERS) collect(folder, write);
  collect("core/telemetry", /this\.(\w+)\+\+/g);
  return names;
}

const written = writtenNames();

test.each(SETS)("every field of %s is written by somebody", (name, set) => {
  const waiting = WAITING[name] ?? {};
  expect(Object.keys(set).filter((field) => !written.has(field))).toEqual(Object.keys(waiting));
});
