/** Local replies reshaped by configuration, and access logs with filters and formats. */
import { fileLog, type YamlMap } from "../../support/bootstrap.ts";
import {
  ask,
  downCluster,
  type Group,
  jsonLog,
  oracleListener,
  originCluster,
  type Places,
  request,
  response,
} from "../scenario.ts";

const ROUTES: readonly YamlMap[] = [
  { match: { path: "/down" }, route: { cluster: "down" } },
  { match: { path: "/direct" }, direct_response: { status: 418, body: { inline_string: "tea" } } },
  { match: { path: "/redirect" }, redirect: { path_redirect: "/x" } },
  { match: { prefix: "/ok" }, route: { cluster: "origin" } },
];

const status = (op: string, value: number): YamlMap => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: "oracle.none" } } },
});

const MAPPERS: YamlMap = {
  mappers: [
    {
      filter: status("EQ", 404),
      status_code: 410,
      body: { inline_string: "moved away" },
      headers_to_add: [{ header: { key: "x-mapped", value: "404" } }],
    },
    {
      filter: { response_flag_filter: { flags: ["UF"] } },
      body_format_override: {
        text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_FLAGS% %LOCAL_REPLY_BODY%" },
        content_type: "text/html",
      },
    },
    {
      filter: { header_filter: { header: { name: "x-json", present_match: true } } },
      body_format_override: {
        json_format: {
          code: "%RESPONSE_CODE%",
          path: "%REQ(:path)%",
          message: "%LOCAL_REPLY_BODY%",
          none: "%REQ(x-none)%",
        },
      },
    },
  ],
};

const FORMAT: YamlMap = {
  body_format: { text_format_source: { inline_string: "<%LOCAL_REPLY_BODY%> %RESPONSE_CODE%\n" } },
};

/** Listeners that log with a filter or another format: name, log configuration. */
const LOGS: { readonly [name: string]: { readonly filter?: YamlMap; readonly format?: YamlMap } } = {
  "log-default": {},
  "log-text": {
    format: {
      log_format: {
        text_format_source: { inline_string: "%REQ(:PATH)% %RESPONSE_CODE% %REQ(x-none)% %BYTES_SENT%\n" },
      },
    },
  },
  "log-omit": {
    format: {
      log_format: {
        omit_empty_values: true,
        text_format_source: { inline_string: "%REQ(:PATH)% [%REQ(x-none)%]\n" },
      },
    },
  },
  "log-json-nested": {
    format: {
      log_format: {
        json_format: {
          a: { b: "%REQ(:PATH)%", list: ["%RESPONSE_CODE%", "x%REQ(x-none)%"] },
          n: "%BYTES_SENT%",
          none: "%REQ(x-none)%",
          duration_is_number: "%RESPONSE_CODE%",
        },
      },
    },
  },
  "log-errors": { filter: status("GE", 400) },
  "log-exact": { filter: status("EQ", 200) },
  "log-le": { filter: status("LE", 399) },
  "log-flags": { filter: { response_flag_filter: { flags: ["NR", "UF"] } } },
  "log-any-flag": { filter: { response_flag_filter: {} } },
  "log-header": { filter: { header_filter: { header: { name: "x-log", string_match: { exact: "yes" } } } } },
  "log-and": {
    filter: {
      and_filter: {
        filters: [status("GE", 400), { header_filter: { header: { name: "x-log", present_match: true } } }],
      },
    },
  },
  "log-or": {
    filter: {
      or_filter: {
        filters: [status("GE", 500), { header_filter: { header: { name: "x-log", present_match: true } } }],
      },
    },
  },
  "log-never": {
    filter: { runtime_filter: { runtime_key: "oracle.never", percent_sampled: { numerator: 0 } } },
  },
  "log-duration": {
    filter: {
      duration_filter: {
        comparison: { op: "GE", value: { default_value: 60000, runtime_key: "oracle.none" } },
      },
    },
  },
  "log-not-health": { filter: { not_health_check_filter: {} } },
};

function logged(places: Places, name: string): YamlMap {
  const { filter, format } = LOGS[name];
  return oracleListener(places, name, ROUTES, {
    access_log: [{ ...fileLog(places.log(name), format ?? {}), ...(filter ? { filter } : {}) }],
  });
}

const asks = (listener: string) => [
  ask(`${listener}:ok`, listener, request("GET /ok?q=1")),
  ask(`${listener}:ok-header`, listener, request("GET /ok", "x-log: yes\r\n"), [response(201)]),
  ask(`${listener}:none`, listener, request("GET /none")),
  ask(`${listener}:down`, listener, request("GET /down")),
];

export const localReplies: Group = {
  name: "local-replies",
  listeners: ["plain", "mapped", "formatted", "two-logs", ...Object.keys(LOGS)],
  build: (places) => ({
    listeners: [
      oracleListener(places, "plain", ROUTES),
      oracleListener(places, "mapped", ROUTES, { local_reply_config: MAPPERS }),
      oracleListener(places, "formatted", ROUTES, { local_reply_config: FORMAT }),
      oracleListener(places, "two-logs", ROUTES, {
        access_log: [
          jsonLog(places, "two-logs"),
          { ...jsonLog(places, "two-logs"), filter: status("GE", 400) },
        ],
      }),
      ...Object.keys(LOGS).map((name) => logged(places, name)),
    ],
    clusters: [originCluster(places), downCluster(places)],
  }),
  asks: [
    ask("plain-down", "plain", request("GET /down")),
    ask("mapped-404", "mapped", request("GET /none")),
    ask("mapped-uf", "mapped", request("GET /down")),
    ask("mapped-json", "mapped", request("GET /direct", "x-json: 1\r\n")),
    ask("mapped-direct", "mapped", request("GET /direct")),
    ask("mapped-redirect", "mapped", request("GET /redirect", "x-json: 1\r\n")),
    ask("mapped-upstream-untouched", "mapped", request("GET /ok"), [response(404, "", "theirs")]),
    ask("mapped-bad-request", "mapped", "", [], { client: ["GET / HTTP/1.1\r\n\r\n", { closed: true }] }),
    ask("formatted-404", "formatted", request("GET /none")),
    ask("formatted-head", "formatted", request("HEAD /none")),
    ask("formatted-down", "formatted", request("GET /down")),
    ask("formatted-direct", "formatted", request("GET /direct")),
    ask(
      "formatted-grpc",
      "formatted",
      request("POST /none", "Content-Type: application/grpc\r\nContent-Length: 0\r\n"),
    ),
    ask("two-logs", "two-logs", request("GET /none")),
    ...["log-default", "log-text", "log-omit", "log-json-nested"].flatMap(asks),
    ...Object.keys(LOGS)
      .filter((name) => LOGS[name].filter !== undefined)
      .flatMap(asks),
  ],
};
