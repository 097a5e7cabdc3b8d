/**
 * Whether what filters have made of a request's start line can be sent at all. Fields are their setters' business;
 * the start line decides where one request ends and another begins, and is looked at once more.
 */
import { isToken } from "../bytes/ascii.ts";
import { hostEnd } from "../http/authority.ts";
import type { RouteTable } from "../route/route-table.ts";
import type { Stream } from "./stream.ts";

/** A request's start line before filters saw it, and the table that chose the route by it. */
export class AdmittedStartLine {
  private method = "";
  private scheme = "";
  private authority = "";
  private path = "";
  private table: RouteTable | null = null;

  remember({ request, manager }: Stream): void {
    this.method = request.method;
    this.scheme = request.scheme;
    this.authority = request.authority;
    this.path = request.path;
    this.table = manager.routeTable;
  }

  /** Lets go of a table that may be gone by the next request. */
  forget(): void {
    this.table = null;
  }

  /** True if the start line is as it was. */
  isThatOf({ request }: Stream): boolean {
    return (
      request.path === this.path &&
      request.method === this.method &&
      request.authority === this.authority &&
      request.scheme === this.scheme
    );
  }

  /** True if to choose the route again by the same start line would be to choose the same one. */
  decidesRoute({ manager, upgrade }: Stream): boolean {
    return (
      this.table !== null && this.table === manager.routeTable && upgrade === "" && this.table.byStartLine
    );
  }
}

/** True if the request goes on; false if it was answered here, with Envoy's status and details. */
export function isRoutable(stream: Stream): boolean {
  const { method, path, authority } = stream.request;
  const connects = method === "CONNECT";
  if (!isToken(method) || connects !== (stream.upgrade === "connect")) return refuse(stream, ":method");
  if (!connects && !isTarget(path)) return refuse(stream, ":path");
  if (hostEnd(authority) < 0) return refuse(stream, ":authority");
  return true;
}

function refuse(stream: Stream, name: string): boolean {
  const { request } = stream;
  const why = request.get(name) === null ? "missing required header: " : "invalid header value for: ";
  const details = `filter_removed_required_request_headers{${why.replaceAll(" ", "_")}${name}}`;
  return stream.reply(503, why + name, details, "");
}

/** Origin form or "*": visible bytes alone. */
function isTarget(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code > 0xff) return false;
  }
  return text.charCodeAt(0) === 0x2f || text === "*";
}
