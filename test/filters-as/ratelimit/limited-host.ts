/** The filter in a scripted host, requests for it, and what became of them. */
import { expect } from "bun:test";
import {
  CONTINUE,
  type FakeStream,
  type HeaderList,
  PAUSE,
} from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { longBytes } from "../../../runtime-adapters/filter-tool/scripted-host/guest-bytes.ts";
import {
  type HostOptions,
  ScriptedHost,
} from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";

/** In ns. */
export const second = 1_000_000_000n;
export const bucket = (max_tokens: number, fill_interval = "1s") => ({ max_tokens, fill_interval });

let module = "";

/** Builds the filter if that has to be done; before anything else. */
export function build(): void {
  module = shippedFilter("ratelimit");
}

/** The filter as the plugin "limits". */
export function start(configuration: unknown, options: HostOptions = {}): ScriptedHost {
  const properties = { plugin_name: "limits" };
  return ScriptedHost.start(module, { configuration, properties, ...options });
}

export interface Sender {
  path?: string;
  method?: string;
  headers?: HeaderList;
  identity?: string;
  address?: string;
  connection?: number;
}

/** A request; the stream that it made. */
export function send(host: ScriptedHost, from: Sender = {}): FakeStream {
  const stream = host.open();
  const { path = "/", method = "GET", headers = [] } = from;
  if (from.identity) stream.properties.set("connection.uri_san_peer_certificate", from.identity);
  if (from.address) stream.properties.set("source.address", from.address);
  if (from.connection) stream.properties.set("connection.id", longBytes(from.connection));
  const action = stream.onRequestHeaders([
    [":method", method],
    [":path", path],
    [":authority", "shop"],
    ...headers,
  ]);
  expect(action).toBe(stream.reply === null ? CONTINUE : PAUSE);
  return stream;
}

/** 200 if the request was let through, or what it was answered. */
export function ask(host: ScriptedHost, from: Sender = {}): number {
  const stream = send(host, from);
  stream.end();
  return stream.reply?.status ?? 200;
}

/** What the host has been told, as soon as it is told. */
export function counters(host: ScriptedHost): { [name: string]: number } {
  host.tick(0);
  return Object.fromEntries(
    host.metrics
      .filter(({ value }) => value > 0n)
      .map(({ name, value }) => [name.replace(/^.*http_local_rate_limit\./, ""), Number(value)]),
  );
}
