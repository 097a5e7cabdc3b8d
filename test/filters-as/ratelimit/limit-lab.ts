/** Listeners with a rate limit filter, for Envoy and for our proxy, and what clients see of them. */
import { existsSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { fileLog, httpListener, ROUTER, type YamlMap } from "../../support/bootstrap.ts";
import { type Ask, type Case, commonToEnvoy } from "./envoy-cases.ts";

const type = (name: string) => `type.googleapis.com/${name}`;

/** Envoy's own filter. */
export const envoyFilter = ({ envoy }: Case): YamlMap =>
  ({ name: "limits", typed_config: { ...commonToEnvoy, ...envoy } }) as YamlMap;

/** Ours, whose module is at `module`. */
export const ourFilter = ({ name, ours }: Pick<Case, "name" | "ours">, module: string): YamlMap => ({
  name: "limits",
  typed_config: {
    "@type": type("envoy.extensions.filters.http.wasm.v3.Wasm"),
    config: {
      name,
      vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: module } } },
      configuration: {
        "@type": type("google.protobuf.StringValue"),
        value: JSON.stringify({ ...ours, stat_prefix: "limits" }),
      },
    },
  },
});

/** A listener that answers everything itself, behind this filter. */
export function limitedListener(port: number, filter: YamlMap, log: string): YamlMap {
  const line = "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n";
  return httpListener(`on_${port}`, port, {
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "ok" } } },
          ],
        },
      ],
    },
    http_filters: [filter, ROUTER],
    access_log: [fileLog(log, { log_format: { text_format_source: { inline_string: line } } })],
  });
}

export interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: unknown };
  readonly body: string;
}

/** Sends one request. Of the answer's headers, those are left out that the filter has no part in. */
export function ask(
  port: number,
  agent: Agent,
  { path = "/", method = "GET", headers = {} }: Ask,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers, agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        const headers = Object.fromEntries(
          Object.entries(response.headers)
            .filter(([name]) => /^(x-|grpc-|content-type$|retry-)/.test(name))
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        );
        resolve({ status: response.statusCode ?? 0, headers, body });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** One after the other, on one connection but for those that come on their own. */
export async function askAll(port: number, asks: readonly Ask[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const one of asks) {
    answers.push(await ask(port, one.fresh ? new Agent({ keepAlive: false }) : agent, one));
  }
  agent.destroy();
  return answers;
}

/** The lines of an access log, once there are so many. */
export async function linesOf(log: string, count: number): Promise<string[]> {
  let lines: string[] = [];
  for (let i = 0; i < 250 && lines.length < count; i++) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    lines = existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
  }
  return lines;
}

/** What was seen of a case. */
export interface Seen {
  readonly answers: readonly Answer[];
  readonly log: readonly string[];
}

/** Plays a case at a listener. */
export async function play(port: number, log: string, { asks }: Case): Promise<Seen> {
  const answers = await askAll(port, asks);
  // Workers write their lines when they like.
  return { answers, log: (await linesOf(log, asks.length)).sort() };
}

/** What Envoy's own filter was seen to do, by the cases' names; TULLE_RECORD=1 writes it anew. */
export const RECORD = new URL("envoy-answers.golden.json", import.meta.url);

export function recorded(): { readonly [name: string]: Seen } {
  return JSON.parse(readFileSync(RECORD, "utf8"));
}
