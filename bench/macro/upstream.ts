/**
 * The one upstream that all proxies share: nginx if it is installed, else upstream-builtin.ts. It answers
 *
 *   /blob      1 MiB
 *   /upload    65 bytes, after the whole request body has been read (never before: an early answer would make some
 *              proxies give up the connection, and so be measured at something else)
 *   /unary     65 bytes as a message of gRPC, with `grpc-status: 0` as trailer, after the request's message; HTTP/2 alone
 *   /echo      the request id, X-Forwarded-For and X-Forwarded-Client-Cert that it received, to check that a proxy adds
 *              them
 *   the rest   65 bytes
 */
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Child } from "./children.ts";
import { mainBlock } from "./rivals/nginx.ts";

export const SMALL = 65;
export const BLOB = 1 << 20;

export interface Upstream {
  readonly port: number;
  /** Where it speaks HTTP/2, in cleartext; nobody listens there if it is built-in. */
  readonly http2Port: number;
  /** "nginx" or "built-in". */
  readonly kind: string;
  readonly child: Child;
}

/** Starts it on `core`; the caller waits until it answers. */
export function startUpstream(port: number, http2Port: number, folder: string, core: number): Upstream {
  const log = join(folder, "upstream.log");
  const nginx = Bun.which("nginx");
  if (nginx === null) {
    const program = join(import.meta.dir, "upstream-builtin.ts");
    const child = new Child([process.execPath, program, String(port)], { core, log });
    return { port, http2Port, kind: "built-in", child };
  }
  // A copy of the program: the pages of one file are shared, and the rival nginx would look smaller for it.
  const program = join(folder, "nginx-upstream");
  copyFileSync(nginx, program);
  writeFileSync(join(folder, "blob"), Buffer.alloc(BLOB, "tulle"));
  for (const name of ["small", "upload"]) writeFileSync(join(folder, name), smallBody());
  for (const name of ["message", "unary"]) writeFileSync(join(folder, name), grpcMessage());
  const file = join(folder, "upstream.conf");
  writeFileSync(file, configuration(port, http2Port, folder));
  const child = new Child([program, "-c", file, "-p", folder, "-e", "stderr"], { core, log });
  return { port, http2Port, kind: "nginx", child };
}

export function smallBody(): string {
  return `${"0123456789abcdef".repeat(4)}\n`;
}

/** A message of 60 bytes behind its header. */
export function grpcMessage(): Uint8Array {
  const message = Buffer.alloc(SMALL, "m");
  message.set([0, 0, 0, 0, SMALL - 5]);
  return message;
}

function configuration(port: number, http2Port: number, folder: string): string {
  return `${mainBlock(folder, 16384).replace("nginx.pid", "upstream.pid")}
http {
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush off;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  client_max_body_size 0;
  client_body_buffer_size 2m;
  client_body_temp_path ${folder}/upstream-body;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen 127.0.0.1:${http2Port} http2 backlog=4096;
    root ${folder};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    default_type application/octet-stream;
    location / { return 200 "${smallBody().replace("\n", "\\n")}"; }
    location = /blob { }
    location = /small { add_header X-Bytes-Read $request_length always; }
    # "mirror" is what makes nginx read a body: the handler behind it is called when the body is whole. That handler
    # serves files and refuses POST, and the error page is the answer.
    location = /upload { mirror /read; error_page 405 =200 /small; }
    location = /read { internal; return 204; }
    location = /unary { mirror /read; error_page 405 =200 /message; }
    location = /message { types { } default_type application/grpc; add_trailer grpc-status 0 always; }
    location = /echo { return 200 "$http_x_request_id|$http_x_forwarded_for|$connection_requests|$http_x_forwarded_client_cert"; }
  }
}
`;
}
