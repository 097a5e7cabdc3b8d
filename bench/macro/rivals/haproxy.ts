/**
 * HAProxy as a reverse proxy. Choices: one thread; idle upstream connections shared between clients (`http-reuse
 * always`, its fastest setting and what the others do); room for as many clients as come, or
 * as the limit of open files allows; request id (a UUID) and
 * X-Forwarded-For on; no log. Large tables are maps, the way its own manual says.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, type Contestant, type Presence, versionOf } from "../contestant.ts";
import { routesOf, type Topology } from "../topology.ts";

export const haproxy: Contestant = {
  name: "haproxy",
  ours: false,
  hasTables: true,
  likeEnvoy: false,
  compiled: true,
  tls: false,
  scenarios: null,
  find,
  prepare,
};

async function find(): Promise<Presence> {
  const version = await versionOf(["haproxy", "-v"], /version (\S+?)[\s,]/);
  if (version === null) return { here: false, remedy: "install HAProxy (Debian: apt install haproxy)" };
  return { here: true, version };
}

async function prepare(topology: Topology): Promise<Command> {
  const file = join(topology.folder, "haproxy.cfg");
  const routes = routesOf(topology.table);
  const map = (kind: "prefix" | "path") => {
    const name = join(topology.folder, `haproxy-${kind}.map`);
    const lines = routes.filter((route) => route.kind === kind);
    writeFileSync(name, lines.map((route) => `${route.text} cluster_${route.cluster}\n`).join(""));
    return name;
  };
  const byTable =
    routes.length === 0
      ? "  default_backend cluster_0"
      : `  use_backend %[path,map_str(${map("path")})] if { path,map_str(${map("path")}) -m found }
  use_backend %[path,map_beg(${map("prefix")},cluster_0)]`;
  const backends: string[] = [];
  for (let i = 0; i < topology.table.clusters; i++) {
    backends.push(`backend cluster_${i}
  http-reuse always
  server upstream 127.0.0.1:${topology.upstream}`);
  }
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn ${topology.clients}
  no strict-limits
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-request 1h
  timeout http-keep-alive 1h
frontend bench
  bind 127.0.0.1:${topology.listen} backlog 4096
  http-request set-header x-request-id %[uuid()]
  http-request set-header x-forwarded-proto http
${byTable}
${backends.join("\n")}
`,
  );
  return { argv: ["haproxy", "-db", "-q", "-f", file] };
}
