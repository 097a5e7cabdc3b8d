/**
 * The admin server: which path does what, and what it refuses. The pages themselves are in their own files;
 * this one knows HTTP, not the proxy.
 *
 * A web page that an operator visits can reach 127.0.0.1 too, so two things are refused that Envoy lets through:
 * a request whose `Origin` is not this server (a form or script of another site), and, while listening on a
 * loopback address, a `Host` that is a name other than localhost (a site that re-binds its name to 127.0.0.1).
 */
import type { Context } from "hono";
import { Hono } from "hono/tiny";
import { HistogramIntervals } from "../../../core/telemetry/histogram-intervals.ts";
import { MAX_MODULE_BYTES } from "../../../filters/wasm/vm-limits.ts";
import { readWithin } from "../../read-within.ts";
import { Certificates } from "../certificates.ts";
import { ADMIN_COMMANDS, adminHelp } from "./admin-command.ts";
import type { AdminSource } from "./admin-source.ts";
import { certsPage } from "./certs-page.ts";
import { clustersJson, clustersText, listenersJson, listenersText } from "./clusters-page.ts";
import { configDump } from "./config-dump.ts";
import { homePage } from "./home-page.ts";
import { logging } from "./logging-page.ts";
import { containsFilter, wholeFilter } from "./name-filter.ts";
import { RUNTIME_USAGE, runtimePage } from "./runtime-page.ts";
import { memory, serverInfo } from "./server-info.ts";
import { statsPage } from "./stats-page.ts";

const TEXT = "text/plain; charset=UTF-8";
const HTML = "text/html; charset=UTF-8";
const JSON_TYPE = "application/json";

/** Histogram intervals end when somebody looks and the last one is this old, ms (Envoy's flush interval). */
const INTERVAL = 5000;

function answer(body: string, status = 200, contentType = TEXT): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": contentType,
      "cache-control": "no-cache, max-age=0",
      "x-content-type-options": "nosniff",
      "content-length": String(Buffer.byteLength(body)),
      server: "tulle",
    },
  });
}

/** Envoy's indentation. */
function answerJson(json: unknown): Response {
  return answer(`${JSON.stringify(json, null, 1)}\n`, 200, JSON_TYPE);
}

/** The host in a Host header, without port and brackets. */
function hostName(host: string): string {
  return (
    /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/
      .exec(host)
      ?.slice(1)
      .find((part) => part !== undefined) ?? ""
  );
}

function isLoopbackName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || /^[0-9.]+$/.test(host) || host.includes(":");
}

/** "" or why the request is refused before anything looks at it. */
function refusal(request: Request, isLoopback: boolean): string {
  const host = (request.headers.get("host") ?? "").toLowerCase();
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== `http://${host}`) return `requests from ${origin} are refused\n`;
  if (isLoopback && host !== "" && !isLoopbackName(hostName(host))) {
    return `Host "${host}" is refused: this server listens on a loopback address\n`;
  }
  return "";
}

/** Builds the app; `isLoopback` says where it will listen. */
export function adminApp(source: AdminSource, isLoopback: boolean): Hono {
  const app = new Hono();
  const intervals = new HistogramIntervals();
  const certificates = new Certificates();
  let intervalEnd = 0;

  const stats = async () => {
    const merged = await source.stats();
    const now = performance.now();
    if (now - intervalEnd >= INTERVAL) {
      intervalEnd = now;
      intervals.roll(merged);
    }
    return merged;
  };
  const query = (context: Context) => new URL(context.req.url).searchParams;

  app.use(async (context, next) => {
    const refused = refusal(context.req.raw, isLoopback);
    if (refused !== "") return answer(refused, 403);
    const command = ADMIN_COMMANDS.find(({ path }) => path === context.req.path);
    if (command === undefined) return answer(`invalid path. ${adminHelp()}`, 404);
    if (command.mutates && context.req.method !== "POST") {
      return answer(`Method ${context.req.method} not allowed, POST required.`, 405);
    }
    return next();
  });
  app.onError((error) => answer(`internal error: ${error.message}\n`, 500));

  app.all("/", () => answer(homePage(), 200, HTML));
  app.all("/help", () => answer(adminHelp()));
  app.all("/ready", () => answer(`${source.state}\n`, source.state === "LIVE" ? 200 : 503));
  app.all("/server_info", () => answerJson(serverInfo(source)));
  app.all("/hot_restart_version", () => answer("disabled"));
  app.all("/certs", () => answerJson(certsPage(certificates.of(source.snapshot), Date.now())));
  app.all("/memory", () => answerJson(memory()));
  app.all("/runtime", () => answerJson(runtimePage(source.bootstrap, source.runtimeOverrides)));
  app.all("/listeners", (context) =>
    query(context).get("format") === "json"
      ? answerJson(listenersJson(source))
      : answer(listenersText(source)),
  );
  app.all("/clusters", async (context) => {
    const filter = containsFilter(query(context).get("filter") ?? "");
    if (typeof filter === "string") return answer(`Invalid re2 regex: ${filter}`, 400);
    const matches = filter ?? (() => true);
    return query(context).get("format") === "json"
      ? answerJson(await clustersJson(source, matches))
      : answer(await clustersText(source, matches));
  });
  app.all("/config_dump", (context) => {
    const parameters = query(context);
    const expression = parameters.get("name_regex") ?? "";
    const filter = wholeFilter(expression);
    if (typeof filter === "string") {
      const complaint = `INVALID_ARGUMENT: Error while parsing name_regex from ${expression}: ${filter}`;
      return answer(complaint, 400, "text/plain");
    }
    const { status, json, text } = configDump(source, {
      resource: parameters.get("resource") ?? "",
      mask: parameters.get("mask") ?? "",
      matchesName: filter ?? (() => true),
      includeEds: parameters.has("include_eds"),
    });
    return json === undefined ? answer(text, status, "text/plain") : answerJson(json);
  });
  app.all("/stats", async (context) => {
    const page = await statsPage(query(context), false, stats, intervals);
    return answer(page.body, page.status, page.contentType);
  });
  app.all("/stats/prometheus", async (context) => {
    const page = await statsPage(query(context), true, stats, intervals);
    return answer(page.body, page.status, page.contentType);
  });

  app.post("/runtime_modify", async (context) => {
    const isForm =
      context.req.header("content-type")?.startsWith("application/x-www-form-urlencoded") === true;
    const given = [...query(context), ...(isForm ? new URLSearchParams(await context.req.text()) : [])];
    if (given.length === 0) return answer(RUNTIME_USAGE, 400);
    if (!source.bootstrap.runtimeAdminLayer) return answer("No admin layer specified", 503);
    await source.modifyRuntime(new Map(given));
    return answer("OK\n");
  });
  app.post("/logging", (context) => {
    const { status, text } = logging(source, query(context));
    return answer(text, status);
  });
  app.post("/healthcheck/fail", () => {
    source.failHealthCheck(true);
    return answer("OK\n");
  });
  app.post("/healthcheck/ok", () => {
    source.failHealthCheck(false);
    return answer("OK\n");
  });
  app.post("/drain_listeners", async (context) => {
    const parameters = query(context);
    const scope = parameters.has("inboundonly") ? "inbound" : "all";
    await source.drainListeners(scope, parameters.has("graceful"), parameters.has("skip_exit"));
    return answer("OK\n");
  });
  app.post("/reset_counters", async () => {
    await source.resetCounters();
    return answer("OK\n");
  });
  app.post("/reopen_logs", async () => {
    await source.reopenLogs();
    return answer("OK\n");
  });
  app.post("/wasm_modules", async (context) => {
    const from = query(context).get("source") ?? "";
    const length = Number(context.req.header("content-length") ?? 0);
    if (length > MAX_MODULE_BYTES) return answer(`a module has at most ${MAX_MODULE_BYTES} bytes\n`, 413);
    // Not every server has a limit of its own.
    const body = await readWithin(context.req.raw.body, MAX_MODULE_BYTES);
    if (body === null) return answer(`a module has at most ${MAX_MODULE_BYTES} bytes\n`, 413);
    const faults = await source.replaceModule(from, body.length === 0 ? null : body);
    return faults.length === 0 ? answer("OK\n") : answer(`${faults.join("\n")}\n`, 400);
  });
  app.post("/quitquitquit", () => {
    source.quit();
    return answer("OK\n");
  });
  return app;
}
