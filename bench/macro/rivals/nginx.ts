/**
 * nginx as a reverse proxy, twice. Both: one worker; keep-alive to the upstream with room for every connection of the
 * bench and no limit of requests; bodies stream (`proxy_request_buffering off`) and never touch the disk
 * (`proxy_max_temp_file_size 0`), as in the other proxies; connection slots for both sides of as many clients as come;
 * request id and X-Forwarded-For on; access log off.
 *
 * `nginx` has the body buffers that it ships with (4 KiB pages out, 16 KiB in). `nginx-tuned` has 64 KiB each way, which
 * halves what a large body costs it; it takes part where there are large bodies.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, type Contestant, type Presence, versionOf } from "../contestant.ts";
import { OWN_ANSWER, routesOf, type Topology } from "../topology.ts";

export const nginx = nginxWith("nginx", null, "");
export const nginxTuned = nginxWith(
  "nginx-tuned",
  ["download", "upload"],
  `
    client_body_buffer_size 64k;
    proxy_buffer_size 16k;
    proxy_buffers 4 16k;`,
);

function nginxWith(name: string, scenarios: readonly string[] | null, buffers: string): Contestant {
  return {
    name,
    ours: false,
    hasTables: scenarios === null,
    likeEnvoy: false,
    compiled: true,
    tls: scenarios === null,
    scenarios,
    find,
    prepare: (topology) => prepare(topology, buffers),
  };
}

async function find(): Promise<Presence> {
  const version = await versionOf(["nginx", "-v"], /nginx\/(\S+)/);
  if (version === null) return { here: false, remedy: "install nginx (Debian: apt install nginx-light)" };
  return { here: true, version };
}

async function prepare(topology: Topology, buffers: string): Promise<Command> {
  const file = join(topology.folder, "nginx.conf");
  writeFileSync(file, configuration(topology, buffers));
  return { argv: ["nginx", "-c", file, "-p", topology.folder, "-e", "stderr"] };
}

function configuration(topology: Topology, buffers: string): string {
  const upstreams: string[] = [];
  for (let i = 0; i < topology.table.clusters; i++) {
    upstreams.push(`  upstream cluster_${i} {
    server 127.0.0.1:${topology.upstream};
    keepalive 128;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }`);
  }
  const locations = routesOf(topology.table).map(
    (route) =>
      `    location ${route.kind === "path" ? "= " : ""}${route.text} { proxy_pass http://cluster_${route.cluster}; }`,
  );
  return `${mainBlock(topology.folder, topology.clients * 2)}
http {
  access_log off;
  server_tokens off;
  client_max_body_size 0;
  client_body_temp_path ${topology.folder}/nginx-body;
  proxy_temp_path ${topology.folder}/nginx-proxy;
${upstreams.join("\n")}
  server {
    listen 127.0.0.1:${topology.listen} backlog=4096;${tlsLines(topology)}
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    proxy_http_version 1.1;
    proxy_request_buffering off;${buffers}
    proxy_max_temp_file_size 0;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
${locations.join("\n")}
    location / { proxy_pass http://cluster_0; }
  }
}
`;
}

function tlsLines({ tls }: Topology): string {
  if (tls === null) return "";
  const { ca, server } = tls.identities;
  const common = `
    listen 127.0.0.1:${tls.port} ssl http2 backlog=4096;
    ssl_protocols TLSv1.3;
    ssl_certificate ${server.chain};
    ssl_certificate_key ${server.key};`;
  if (tls.use === "server") return common;
  // It has no say in what is in the client's certificate beyond its CA.
  return `${common}
    ssl_verify_client on;
    ssl_client_certificate ${ca};
    location = ${OWN_ANSWER} { return 200 "ok"; }`;
}

/** The part that a proxying nginx and the upstream nginx share. */
export function mainBlock(folder: string, connections: number): string {
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections ${connections}; }`;
}
