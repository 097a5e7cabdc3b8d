/** What the headers filter does to headers: each operation, each formatter, each condition, on fake streams. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  CONTINUE,
  type FakeStream,
  type HeaderList,
} from "../../../runtime-adapters/filter-tool/scripted-host/fake-stream.ts";
import { longBytes } from "../../../runtime-adapters/filter-tool/scripted-host/guest-bytes.ts";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";

let headers: string;
beforeAll(() => {
  headers = shippedFilter("headers");
}, 120_000);

type Operation = { readonly [field: string]: unknown };

const PSEUDO: HeaderList = [
  [":method", "GET"],
  [":path", "/api/teams?all=1"],
  [":authority", "example"],
];

function open(request: Operation[], response: Operation[] = []): FakeStream {
  return ScriptedHost.start(headers, { configuration: { request, response } }).open();
}

/** The headers of a request, without pseudo-headers, after these operations. */
function requestAfter(operations: Operation[], given: HeaderList, properties = {}): HeaderList {
  const stream = open(operations);
  for (const [path, value] of Object.entries(properties)) stream.properties.set(path, value as string);
  expect(stream.onRequestHeaders([...PSEUDO, ...given])).toBe(CONTINUE);
  return stream.requestHeaders.filter(([name]) => !name.startsWith(":"));
}

describe("operations, in the order in which they are written", () => {
  const cases: [string, Operation[], HeaderList, HeaderList][] = [
    [
      "add, beside what is there",
      [{ add: "x", value: "2" }],
      [["x", "1"]],
      [
        ["x", "1"],
        ["x", "2"],
      ],
    ],
    [
      "set, instead of all that is there",
      [{ set: "x", value: "3" }],
      [
        ["x", "1"],
        ["y", "-"],
        ["x", "2"],
      ],
      [
        ["x", "3"],
        ["y", "-"],
      ],
    ],
    ["set, where nothing is", [{ set: "x", value: "3" }], [], [["x", "3"]]],
    ["set, an empty value", [{ set: "x", value: "" }], [["x", "1"]], [["x", ""]]],
    ["append, where nothing is", [{ append: "via", value: "me" }], [], [["via", "me"]]],
    ["append, to one value", [{ append: "via", value: "me" }], [["via", "you"]], [["via", "you, me"]]],
    [
      "append, to several lines",
      [{ append: "x", value: "c", separator: ";" }],
      [
        ["x", "a"],
        ["x", "b"],
      ],
      [["x", "a;b;c"]],
    ],
    [
      "remove, all of them",
      [{ remove: "x" }],
      [
        ["x", "1"],
        ["y", "-"],
        ["x", "2"],
      ],
      [["y", "-"]],
    ],
    ["remove, what is not there", [{ remove: "x" }], [["y", "-"]], [["y", "-"]]],
    [
      "rename",
      [{ rename: "x", to: "z" }],
      [
        ["x", "1"],
        ["y", "-"],
      ],
      [
        ["y", "-"],
        ["z", "1"],
      ],
    ],
    [
      "rename, all lines, over what was there",
      [{ rename: "x", to: "z" }],
      [
        ["z", "0"],
        ["x", "1"],
        ["x", "2"],
      ],
      [
        ["z", "1"],
        ["z", "2"],
      ],
    ],
    ["rename, what is not there", [{ rename: "x", to: "z" }], [["z", "0"]], [["z", "0"]]],
    ["rename, to itself", [{ rename: "x", to: "X" }], [["x", "1"]], [["x", "1"]]],
    [
      "copy",
      [{ copy: "x", to: "z" }],
      [
        ["x", "1"],
        ["x", "2"],
      ],
      [
        ["x", "1"],
        ["x", "2"],
        ["z", "1"],
        ["z", "2"],
      ],
    ],
    ["copy, of a pseudo-header", [{ copy: ":path", to: "x-path" }], [], [["x-path", "/api/teams?all=1"]]],
    [
      "each sees what those before it did",
      [{ set: "a", value: "1" }, { copy: "a", to: "b" }, { remove: "a" }],
      [],
      [["b", "1"]],
    ],
    ["names in any case", [{ set: "X-Team", value: "Blue" }], [["x-team", "red"]], [["x-team", "Blue"]]],
  ];
  test.each(cases)("%s", (_, operations, given, expected) => {
    expect(requestAfter(operations, given)).toEqual(expected);
  });

  test("every byte of a value survives", () => {
    const codes = Array.from({ length: 256 }, (_, i) => i);
    const mayBeInAField = codes.filter((code) => code === 9 || (code > 31 && code !== 127));
    const value = String.fromCharCode(...mayBeInAField);
    const operations = [
      { copy: "a", to: "b" },
      { append: "c", value: "%REQ(a)%" },
      { append: "c", value: "." },
    ];
    expect(requestAfter(operations, [["a", value]])).toEqual([
      ["a", value],
      ["b", value],
      ["c", `${value}, .`],
    ]);
  });

  test("five operations are five host calls", () => {
    const host = ScriptedHost.start(headers, {
      configuration: {
        request: [
          { set: "x-team", value: "blue" },
          { remove: "x-debug" },
          { add: "x-client", value: "%REQ(user-agent)%" },
        ],
        response: [{ remove: "server" }, { set: "x-frame-options", value: "DENY" }],
      },
    });
    const stream = host.open();
    stream.onRequestHeaders(PSEUDO);
    expect(host.calls).toEqual([
      'set request "x-team" "blue"',
      'remove request "x-debug"',
      'get request "user-agent"',
    ]);
    stream.onResponseHeaders([
      [":status", "200"],
      ["server", "origin"],
    ]);
    expect(host.calls).toEqual(['remove response "server"', 'set response "x-frame-options" "DENY"']);
    stream.end();
    expect(host.calls).toEqual([]);
  });
});

describe("asking for all lines", () => {
  function calls(operations: Operation[], given: HeaderList): string[] {
    const host = ScriptedHost.start(headers, { configuration: { request: operations } });
    host.open().onRequestHeaders([...PSEUDO, ...given]);
    return host.calls;
  }

  test("is done once for operations that do not touch each other", () => {
    const operations = [
      { append: "via", value: "me" },
      { rename: "x", to: "y" },
      { remove: "z", when: { header: { name: "a", equals: "2" } } },
    ];
    const given: HeaderList = [
      ["via", "you"],
      ["x", "1"],
      ["a", "1"],
      ["a", "2"],
      ["z", "1"],
    ];
    expect(calls(operations, given)).toEqual([
      'get request "via"',
      "get all request",
      'set request "via" "you, me"',
      'set request "y" "1"',
      'remove request "x"',
      'get request "a"',
      'remove request "z"',
    ]);
  });

  test("is not done where there is nothing to ask about", () => {
    const operations = [
      { append: "via", value: "me" },
      { copy: "x", to: "y" },
    ];
    expect(calls(operations, [])).toEqual(['get request "via"', 'add request "via" "me"', 'get request "x"']);
  });

  test("is done again for a header that was written meanwhile", () => {
    const operations = [
      { append: "a", value: "1" },
      { add: "a", value: "2" },
      { append: "a", value: "3" },
      { rename: "a", to: "b" },
      { set: "c", value: "1", when: { header: { name: "b", equals: "0, 1, 2, 3" } } },
      { copy: "b", to: "d" },
    ];
    expect(requestAfter(operations, [["a", "0"]])).toEqual([
      ["b", "0, 1, 2, 3"],
      ["c", "1"],
      ["d", "0, 1, 2, 3"],
    ]);
  });

  test("is never answered by what another request had", () => {
    const host = ScriptedHost.start(headers, { configuration: { request: [{ copy: "a", to: "b" }] } });
    for (const value of ["1", "2"]) {
      const stream = host.open();
      stream.onRequestHeaders([["a", value]]);
      expect(stream.requestHeaders.at(-1)).toEqual(["b", value]);
    }
  });
});

describe("values", () => {
  const properties = {
    "source.address": "192.0.2.7:4711",
    "source.port": longBytes(4711),
    "destination.address": "[2001:db8::1]:443",
    "connection.id": longBytes(2n ** 40n),
    "connection.requested_server_name": "shop.example",
    "connection.uri_san_peer_certificate": "spiffe://a/b\r\nx-admin: 1",
    "request.protocol": "HTTP/1.1",
  };
  const given: HeaderList = [
    ["x-team", "blue"],
    ["x-empty", ""],
    ["x-long", "0123456789"],
  ];
  const cases: [string, string | null][] = [
    ["plain", "plain"],
    ["100%%", "100%"],
    ["%%REQ(x-team)%%", "%REQ(x-team)%"],
    ["%REQ(x-team)%", "blue"],
    ["%REQ(X-Team)%", "blue"],
    ["%REQ(:path)%", "/api/teams?all=1"],
    ["<%REQ(x-team)%>%REQ(x-team)%", "<blue>blue"],
    ["%REQ(x-none?x-team)%", "blue"],
    ["%REQ(x-team?x-long)%", "blue"],
    ["%REQ(x-long):4%", "0123"],
    ["%REQ(x-long):40%", "0123456789"],
    ["%REQ(x-none)%", null],
    ["%REQ(x-empty)%", null],
    ["<%REQ(x-none)%>", null],
    ["<%REQ(x-none)%%REQ(x-team)%>", "<blue>"],
    ["%DOWNSTREAM_REMOTE_ADDRESS%", "192.0.2.7:4711"],
    ["%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "192.0.2.7"],
    ["%DOWNSTREAM_REMOTE_PORT%", "4711"],
    ["%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "2001:db8::1"],
    ["%CONNECTION_ID%", "1099511627776"],
    ["%REQUESTED_SERVER_NAME%", "shop.example"],
    ["%PROTOCOL%", "HTTP/1.1"],
    ["%DOWNSTREAM_TLS_VERSION%", null],
    // Bytes that would end the line count as nothing.
    ["%DOWNSTREAM_PEER_URI_SAN%", null],
  ];
  test.each(cases)("%j gives %j", (value, expected) => {
    const after = requestAfter([{ set: "result", value }], given, properties);
    expect(after.find(([name]) => name === "result")?.[1] ?? null).toBe(expected);
  });

  test("a response knows its status, the upstream, and the request as it came", () => {
    const stream = open(
      [{ set: "x-team", value: "changed" }],
      [
        { set: "a", value: "%RESPONSE_CODE% %RESP(x-origin)% from %UPSTREAM_HOST%" },
        { set: "b", value: "%REQ(x-team)% %REQ(:method)% %REQ(x-none)%." },
        { set: "c", value: "%REQ(x-none?x-team):2%" },
      ],
    );
    stream.properties.set("upstream.address", "10.0.0.1:80");
    stream.onRequestHeaders([...PSEUDO, ["x-team", "blue"]]);
    // Envoy shows the request no more on the response's way.
    stream.maps[0] = null;
    stream.onResponseHeaders([
      [":status", "204"],
      ["x-origin", "o"],
    ]);
    expect(stream.responseHeaders.slice(2)).toEqual([
      ["a", "204 o from 10.0.0.1:80"],
      ["b", "blue GET ."],
      ["c", "bl"],
    ]);
  });

  test("notes of one stream do not show in another, of any size", () => {
    const host = ScriptedHost.start(headers, {
      configuration: { response: [{ set: "r", value: "%REQ(a)%|%REQ(b)%" }] },
    });
    const run = (given: HeaderList | null) => {
      const stream = host.open();
      if (given !== null) stream.onRequestHeaders([...PSEUDO, ...given]);
      stream.onResponseHeaders([[":status", "200"]]);
      stream.end();
      return stream.responseHeaders[1]?.[1];
    };
    const long = "x".repeat(5000);
    expect(
      run([
        ["a", "1"],
        ["b", "2"],
      ]),
    ).toBe("1|2");
    expect(run([["b", long]])).toBe(`|${long}`);
    expect(run([["a", "1"]])).toBe("1|");
    // A local reply before this filter was asked: there is no request to speak of.
    expect(run(null)).toBeUndefined();
    expect(run([])).toBeUndefined();
    // Two at once, answered in the other order.
    const [first, second] = [host.open(), host.open()];
    first.onRequestHeaders([...PSEUDO, ["a", "first"]]);
    second.onRequestHeaders([...PSEUDO, ["a", "second"]]);
    second.onResponseHeaders([[":status", "200"]]);
    first.onResponseHeaders([[":status", "200"]]);
    expect([first, second].map((stream) => stream.responseHeaders[1][1])).toEqual(["first|", "second|"]);
  });
});

describe("conditions", () => {
  const given: HeaderList = [
    ["x-team", "Blue-Sky"],
    ["x-many", "one"],
    ["x-many", "two"],
    ["x-empty", ""],
  ];
  const cases: [unknown, boolean][] = [
    [{ header: { name: "x-team" } }, true],
    [{ header: { name: "X-TEAM" } }, true],
    [{ header: { name: "x-empty" } }, true],
    [{ header: { name: "x-none" } }, false],
    [{ header: { name: "x-team", equals: "Blue-Sky" } }, true],
    [{ header: { name: "x-team", equals: "blue-sky" } }, false],
    [{ header: { name: "x-team", equals: "blue-sky", ignoreCase: true } }, true],
    [{ header: { name: "x-team", prefix: "Blue" } }, true],
    [{ header: { name: "x-team", prefix: "Blue-Sky-" } }, false],
    [{ header: { name: "x-team", prefix: "BLUE", ignoreCase: true } }, true],
    [{ header: { name: "x-team", suffix: "Sky" } }, true],
    [{ header: { name: "x-team", suffix: "SKY", ignoreCase: true } }, true],
    [{ header: { name: "x-team", contains: "e-S" } }, true],
    [{ header: { name: "x-team", contains: "e-s" } }, false],
    [{ header: { name: "x-team", contains: "E-s", ignoreCase: true } }, true],
    [{ header: { name: "x-many", equals: "two" } }, true],
    [{ header: { name: "x-many", equals: "one,two" } }, false],
    [{ header: { name: "x-none", equals: "" } }, false],
    [{ path: { prefix: "/api/" } }, true],
    [{ path: { equals: "/api/teams" } }, true],
    [{ path: { equals: "/api/teams?all=1" } }, false],
    [{ path: { suffix: "all=1" } }, false],
    [{ path: { prefix: "/API", ignoreCase: true } }, true],
    [{ method: "GET" }, true],
    [{ method: ["POST", "GET"] }, true],
    [{ method: "GETTER" }, false],
    [{ method: "GE" }, false],
    [{ method: "get" }, false],
    [{ not: { method: "GET" } }, false],
    [{ not: { header: { name: "x-none" } } }, true],
    [{ all: [{ method: "GET" }, { path: { prefix: "/api" } }] }, true],
    [{ all: [{ method: "GET" }, { path: { prefix: "/b" } }] }, false],
    [{ any: [{ method: "POST" }, { path: { prefix: "/api" } }] }, true],
    [{ any: [{ method: "POST" }, { path: { prefix: "/b" } }] }, false],
    [{ method: "GET", path: { prefix: "/b" } }, false],
    [{ method: "GET", header: { name: "x-team" }, not: { path: { prefix: "/b" } } }, true],
  ];
  test.each(cases)("%j: %p", (when, expected) => {
    const after = requestAfter([{ set: "hit", value: "1", when }], given);
    expect(after.some(([name]) => name === "hit")).toBe(expected);
  });

  const ofResponses: [unknown, string, boolean][] = [
    [{ status: 404 }, "404", true],
    [{ status: "404" }, "404", true],
    [{ status: "4xx" }, "404", true],
    [{ status: ["5xx", 404] }, "404", true],
    [{ status: "5xx" }, "404", false],
    [{ status: ["5xx", "2xx"] }, "200", true],
    [{ not: { status: "2xx" } }, "503", true],
    [{ header: { name: "x-origin" } }, "200", true],
    [{ header: { name: "x-team" } }, "200", false],
    [{ requestHeader: { name: "x-team", prefix: "Blue" } }, "200", true],
    [{ requestHeader: { name: "x-none" } }, "200", false],
    [{ method: "GET", path: { prefix: "/api" }, status: "2xx" }, "200", true],
    [{ any: [{ path: { prefix: "/b" } }, { method: "POST" }, { status: 500 }] }, "200", false],
  ];
  test.each(ofResponses)("of a response %j to %s: %p", (when, status, expected) => {
    const stream = open([{ remove: "x-team" }], [{ set: "hit", value: "1", when }]);
    stream.onRequestHeaders([...PSEUDO, ...given]);
    stream.maps[0] = null;
    stream.onResponseHeaders([
      [":status", status],
      ["x-origin", "o"],
    ]);
    expect(stream.responseHeaders.some(([name]) => name === "hit")).toBe(expected);
  });
});

test("answers to tests of one request do not show in another", () => {
  const host = ScriptedHost.start(headers, {
    configuration: { response: [{ set: "hit", value: "1", when: { method: "GET" } }] },
  });
  for (const isSeen of [true, false]) {
    const stream = host.open();
    if (isSeen) stream.onRequestHeaders(PSEUDO);
    stream.onResponseHeaders([[":status", "200"]]);
    expect(stream.responseHeaders.length).toBe(isSeen ? 2 : 1);
    stream.end();
  }
});

test("two plugins in one VM keep apart", () => {
  const host = ScriptedHost.start(headers, { configuration: { request: [{ set: "a", value: "1" }] } });
  const [old, renewed] = [host.open(), host.reconfigure({ request: [{ set: "b", value: "2" }] }).open()];
  old.onRequestHeaders(PSEUDO);
  renewed.onRequestHeaders(PSEUDO);
  expect(old.requestHeaders.at(-1)).toEqual(["a", "1"]);
  expect(renewed.requestHeaders.at(-1)).toEqual(["b", "2"]);
});
