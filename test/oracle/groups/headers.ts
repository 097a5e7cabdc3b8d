/** Header operations of routes, virtual hosts and route configurations, with formatters. */
import type { YamlMap } from "../../support/bootstrap.ts";
import { ask, type Group, oracleListener, originCluster, request, response } from "../scenario.ts";

const add = (key: string, value: string, append_action?: string, more: YamlMap = {}): YamlMap => ({
  header: { key, value },
  ...(append_action ? { append_action } : {}),
  ...more,
});

const FORMATS: readonly YamlMap[] = [
  add("f-remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
  add("f-direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
  add("f-local", "%DOWNSTREAM_LOCAL_ADDRESS%"),
  add("f-local-port", "%DOWNSTREAM_LOCAL_PORT%"),
  add("f-protocol", "%PROTOCOL%"),
  add("f-req", "%REQ(x-in)%"),
  add("f-req-or", "%REQ(x-none?x-in)%"),
  add("f-req-cut", "%REQ(x-in):3%"),
  add("f-req-missing", "%REQ(x-none)%"),
  add("f-req-missing-mixed", "a%REQ(x-none)%b"),
  add("f-method", "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%"),
  add("f-percent", "100%%"),
  add("f-literal", "plain text"),
  add("f-route", "%ROUTE_NAME%"),
  add("f-cluster", "%UPSTREAM_CLUSTER%"),
  add("f-host", "%UPSTREAM_HOST%"),
  add("f-request-id", "%REQ(x-request-id)%"),
];

const config = (specific: boolean): YamlMap => ({
  name: "levels",
  most_specific_header_mutations_wins: specific,
  request_headers_to_add: [
    add("x-level", "config", "OVERWRITE_IF_EXISTS_OR_ADD"),
    add("x-append", "config"),
    add("x-absent", "config", "ADD_IF_ABSENT"),
  ],
  request_headers_to_remove: ["x-remove-config"],
  response_headers_to_add: [
    add("y-level", "config", "OVERWRITE_IF_EXISTS_OR_ADD"),
    add("y-append", "config"),
  ],
  response_headers_to_remove: ["y-remove-config"],
  virtual_hosts: [
    {
      name: "vhost",
      domains: ["*"],
      request_headers_to_add: [
        add("x-level", "vhost", "OVERWRITE_IF_EXISTS_OR_ADD"),
        add("x-append", "vhost"),
        add("x-absent", "vhost", "ADD_IF_ABSENT"),
      ],
      response_headers_to_add: [
        add("y-level", "vhost", "OVERWRITE_IF_EXISTS_OR_ADD"),
        add("y-append", "vhost"),
      ],
      routes: [
        {
          match: { prefix: "/" },
          route: { cluster: "origin" },
          request_headers_to_add: [
            add("x-level", "route", "OVERWRITE_IF_EXISTS_OR_ADD"),
            add("x-append", "route"),
            add("x-absent", "route", "ADD_IF_ABSENT"),
          ],
          response_headers_to_add: [
            add("y-level", "route", "OVERWRITE_IF_EXISTS_OR_ADD"),
            add("y-append", "route"),
          ],
        },
      ],
    },
  ],
});

const ACTIONS: readonly YamlMap[] = [
  {
    match: { prefix: "/append" },
    route: { cluster: "origin" },
    request_headers_to_add: [add("x-a", "new", "APPEND_IF_EXISTS_OR_ADD")],
    response_headers_to_add: [add("y-a", "new", "APPEND_IF_EXISTS_OR_ADD")],
  },
  {
    match: { prefix: "/absent" },
    route: { cluster: "origin" },
    request_headers_to_add: [add("x-a", "new", "ADD_IF_ABSENT")],
    response_headers_to_add: [add("y-a", "new", "ADD_IF_ABSENT")],
  },
  {
    match: { prefix: "/overwrite-or-add" },
    route: { cluster: "origin" },
    request_headers_to_add: [add("x-a", "new", "OVERWRITE_IF_EXISTS_OR_ADD")],
    response_headers_to_add: [add("y-a", "new", "OVERWRITE_IF_EXISTS_OR_ADD")],
  },
  {
    match: { prefix: "/overwrite" },
    route: { cluster: "origin" },
    request_headers_to_add: [add("x-a", "new", "OVERWRITE_IF_EXISTS")],
    response_headers_to_add: [add("y-a", "new", "OVERWRITE_IF_EXISTS")],
  },
  {
    match: { prefix: "/remove" },
    route: { cluster: "origin" },
    request_headers_to_remove: ["x-a", "X-B"],
    response_headers_to_remove: ["y-a", "server"],
  },
  {
    match: { prefix: "/remove-and-add" },
    route: { cluster: "origin" },
    request_headers_to_remove: ["x-a"],
    request_headers_to_add: [add("x-a", "again")],
  },
  {
    match: { prefix: "/empty" },
    route: { cluster: "origin" },
    request_headers_to_add: [
      add("x-e", "%REQ(x-none)%"),
      add("x-k", "%REQ(x-none)%", undefined, { keep_empty_value: true }),
      add("x-z", "", undefined, { keep_empty_value: true }),
    ],
  },
  {
    match: { prefix: "/response" },
    route: { cluster: "origin" },
    name: "the-route",
    response_headers_to_add: [
      add("f-code", "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"),
      add("f-resp", "%RESP(y-in)%"),
      add("f-resp-missing", "x%RESP(y-none)%x"),
      add("f-upstream", "%UPSTREAM_HOST% %UPSTREAM_CLUSTER%"),
      add("f-attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
      add("f-req", "%REQ(x-in)%"),
      add("f-route", "%ROUTE_NAME%"),
      add("f-bytes", "%BYTES_RECEIVED%"),
    ],
  },
];

const answer = [response(200, "Y-A: old\r\nY-In: yes\r\nY-Remove-Config: 1\r\nServer: origin\r\n")];
const x = (id: string, listener: string, target: string, fields = "") =>
  ask(id, listener, request(`GET ${target}`, fields), answer);

export const headers: Group = {
  name: "headers",
  listeners: ["actions", "formats", "levels", "specific", "attempts"],
  build: (places) => ({
    listeners: [
      oracleListener(places, "actions", ACTIONS),
      oracleListener(places, "formats", [
        {
          name: "the-route",
          match: { prefix: "/" },
          route: { cluster: "origin" },
          request_headers_to_add: FORMATS,
        },
      ]),
      oracleListener(places, "levels", config(false)),
      oracleListener(places, "specific", config(true)),
      oracleListener(places, "attempts", {
        name: "attempts",
        virtual_hosts: [
          {
            name: "v",
            domains: ["*"],
            include_request_attempt_count: true,
            include_attempt_count_in_response: true,
            routes: [{ match: { prefix: "/" }, route: { cluster: "origin" } }],
          },
        ],
      }),
    ],
    clusters: [originCluster(places)],
  }),
  asks: [
    x("append", "actions", "/append", "x-a: old\r\n"),
    x("append-none", "actions", "/append"),
    x("absent", "actions", "/absent", "x-a: old\r\n"),
    x("absent-none", "actions", "/absent"),
    x("overwrite-or-add", "actions", "/overwrite-or-add", "x-a: old\r\nx-a: older\r\n"),
    x("overwrite-or-add-none", "actions", "/overwrite-or-add"),
    x("overwrite", "actions", "/overwrite", "x-a: old\r\n"),
    x("overwrite-none", "actions", "/overwrite"),
    x("remove", "actions", "/remove", "x-a: 1\r\nX-A: 2\r\nx-b: 3\r\nx-c: 4\r\n"),
    x("remove-and-add", "actions", "/remove-and-add", "x-a: 1\r\n"),
    x("empty", "actions", "/empty"),
    x("response", "actions", "/response", "x-in: request\r\n"),
    x(
      "formats",
      "formats",
      "/formats?q=1",
      "x-in: abcdef\r\nx-request-id: 11111111-2222-4333-8444-555555555555\r\n",
    ),
    x("formats-two-values", "formats", "/", "x-in: one\r\nx-in: two\r\n"),
    x("levels", "levels", "/", "x-remove-config: 1\r\n"),
    x("levels-specific", "specific", "/", "x-remove-config: 1\r\n"),
    x("levels-present", "levels", "/", "x-level: client\r\nx-append: client\r\nx-absent: client\r\n"),
    x("attempt-count", "attempts", "/"),
    x("attempt-count-from-client", "attempts", "/", "x-envoy-attempt-count: 7\r\n"),
  ],
};
