/**
 * One stream as a filter sees it, without a network: header maps, bodies, properties, and what the filter did to
 * it. A test plays the peers: `onRequestHeaders([...])` and so on call the filter and answer its action; the maps
 * then show the stream as the next filter would get it. Text is byte strings, one character per byte.
 */
import type { ScriptedHost } from "./scripted-host.ts";

export type HeaderList = [name: string, value: string][];

/** What a filter answered instead of the upstream. */
export interface LocalReply {
  readonly status: number;
  readonly details: string;
  readonly body: string;
  readonly headers: HeaderList;
  readonly grpcStatus: number;
}

export const CONTINUE = 0;
export const PAUSE = 1;

export class FakeStream {
  readonly host: ScriptedHost;
  readonly id: number;
  /** Null: not under way yet. By the ABI's number: 0 request headers, 1 its trailers, 2 response headers, 3 its trailers. */
  readonly maps: (HeaderList | null)[] = [null, null, null, null];
  /** By the ABI's number: 0 request, 1 response, 2 downstream, 3 upstream. */
  readonly buffers: (string | null)[] = [null, null, null, null];
  /** Path segments joined by "." → value in its binary form. They come before the host's. */
  readonly properties = new Map<string, string>();
  /** What the filter resumed or closed, in order: "continue request", "close downstream". */
  readonly resumed: string[] = [];
  reply: LocalReply | null = null;

  constructor(host: ScriptedHost, id: number) {
    this.host = host;
    this.id = id;
  }

  get requestHeaders(): HeaderList {
    return this.maps[0] ?? [];
  }

  get responseHeaders(): HeaderList {
    return this.maps[2] ?? [];
  }

  /** Each callback answers the filter's action; the map or buffer is what the filter can read and change. */
  onRequestHeaders(headers: HeaderList, endOfStream = true): number {
    this.maps[0] = copy(headers);
    return this.call("proxy_on_request_headers", headers.length, endOfStream ? 1 : 0);
  }

  onRequestBody(body: string, endOfStream: boolean): number {
    this.buffers[0] = body;
    return this.call("proxy_on_request_body", body.length, endOfStream ? 1 : 0);
  }

  onRequestTrailers(trailers: HeaderList): number {
    this.maps[1] = copy(trailers);
    return this.call("proxy_on_request_trailers", trailers.length);
  }

  onResponseHeaders(headers: HeaderList, endOfStream = true): number {
    this.maps[2] = copy(headers);
    return this.call("proxy_on_response_headers", headers.length, endOfStream ? 1 : 0);
  }

  onResponseBody(body: string, endOfStream: boolean): number {
    this.buffers[1] = body;
    return this.call("proxy_on_response_body", body.length, endOfStream ? 1 : 0);
  }

  onResponseTrailers(trailers: HeaderList): number {
    this.maps[3] = copy(trailers);
    return this.call("proxy_on_response_trailers", trailers.length);
  }

  onNewConnection(): number {
    return this.call("proxy_on_new_connection");
  }

  onDownstreamData(data: string, endOfStream: boolean): number {
    this.buffers[2] = data;
    return this.call("proxy_on_downstream_data", data.length, endOfStream ? 1 : 0);
  }

  onUpstreamData(data: string, endOfStream: boolean): number {
    this.buffers[3] = data;
    return this.call("proxy_on_upstream_data", data.length, endOfStream ? 1 : 0);
  }

  onDownstreamClose(peer: number): void {
    this.call("proxy_on_downstream_connection_close", peer);
  }

  /** The end, in Envoy's order: log, done, delete; the host's record has the calls of all three. */
  end(): void {
    const calls: string[] = [];
    for (const name of ["proxy_on_log", "proxy_on_done", "proxy_on_delete"]) {
      this.call(name);
      calls.push(...this.host.calls);
    }
    this.host.calls = calls;
    this.host.forget(this);
  }

  /** A callback that the filter does not export is Continue. */
  private call(name: string, ...values: number[]): number {
    return this.host.callGuest(name, this.id, ...values) ?? CONTINUE;
  }
}

function copy(list: HeaderList): HeaderList {
  return list.map(([name, value]) => [name.toLowerCase(), value]);
}
