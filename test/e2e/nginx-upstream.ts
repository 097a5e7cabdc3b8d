/**
 * nginx as the upstream of end-to-end tests: static files, PUT into a folder, and an echo of what it was asked.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  findProgram,
  freePorts,
  startProgram,
  temporaryFolder,
  untilListening,
} from "../support/child-process.ts";

export interface Upstream {
  readonly port: number;
  /** Files served under /files/. */
  readonly files: string;
  /** Where PUT /put/<name> writes. */
  readonly uploads: string;
  /** Ends nginx and starts it again on the same port after `pause` ms. */
  restart(during: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export const MIB: number = 1024 * 1024;

/** Null where nginx is not installed. */
export async function startUpstream(): Promise<Upstream | null> {
  const path = findProgram("nginx");
  if (path === "") return null;
  const folder = temporaryFolder();
  const files = join(folder.path, "files");
  const uploads = join(folder.path, "put");
  for (const name of [files, uploads, join(folder.path, "tmp")]) mkdirSync(name, { mode: 0o777 });
  writeFileSync(join(files, "small.txt"), "hello from nginx\n");
  writeFileSync(join(files, "mib"), randomBytes(MIB));
  const [port] = await freePorts(1);
  const file = join(folder.path, "nginx.conf");
  writeFileSync(
    file,
    `
daemon off; master_process off; pid ${folder.path}/nginx.pid; error_log ${folder.path}/error.log;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 1024; }
http {
  access_log off; sendfile on; client_max_body_size 0; keepalive_requests 1000000;
  client_body_temp_path ${folder.path}/tmp; proxy_temp_path ${folder.path}/tmp/p; fastcgi_temp_path ${folder.path}/tmp/f;
  uwsgi_temp_path ${folder.path}/tmp/u; scgi_temp_path ${folder.path}/tmp/s;
  server {
    listen 127.0.0.1:${port} backlog=1024;
    default_type application/octet-stream;
    location /files/ { alias ${files}/; }
    location /put/ { alias ${uploads}/; dav_methods PUT DELETE; }
    location /echo { return 200 "$request_method $request_uri $http_host $http_x_forwarded_proto $server_protocol\\n"; }
    location /status/204 { return 204; }
    location /status/404 { return 404 "nothing here\\n"; }
  }
}`,
  );
  const start = async () => {
    const program = startProgram(path, ["-p", folder.path, "-e", "stderr", "-c", file]);
    await untilListening(program, port);
    return program;
  };
  let program = await start();
  return {
    port,
    files,
    uploads,
    async restart(during) {
      await program.stop();
      await during();
      program = await start();
    },
    async stop() {
      await program.stop();
      folder.remove();
    },
  };
}
