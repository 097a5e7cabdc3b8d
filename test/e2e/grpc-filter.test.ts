/**
 * A filter written with our SDK that calls grpc-go's interoperability server: unary calls and a stream, in Envoy and in
 * our proxy on each runtime. See grpc-interop.ts for how the server is found.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  anyHost,
  httpListener,
  ROUTER,
  staticCluster,
  upstreamHttp2,
  wasmFilter,
} from "../support/bootstrap.ts";
import { freePorts, type Program } from "../support/child-process.ts";
import { testModule } from "../support/filter-build.ts";
import { FILTER_PROXIES } from "../support/filter-proxies.ts";
import { INSTALL_PATIENCE, interopPrograms, startInteropServer } from "../support/grpc-interop.ts";

const programs = interopPrograms();
if (typeof programs === "string") console.log(`skipped: gRPC calls of a filter to grpc-go: ${programs}`);

/** `-bin` metadata is bytes to the filter and base64 on the wire; what comes is not decoded (Envoy). Go pads nothing. */
const THERE = btoa("there").replace("=", "");

const ANSWERS: readonly (readonly [path: string, status: number, body: string])[] = [
  ["/empty", 200, "message 0 0"],
  ["/unary", 200, "message 100008 100008"],
  ["/missing", 200, "failed 12 unknown method Nothing for service grpc.testing.TestService{via_upstream}"],
  ["/nobody", 503, "not sent"],
  ["/stream", 200, `initial here; message 9; message 9; message 9; trailing ${THERE}; closed 0`],
  ["/cancel", 200, "initial here; message 9; cancelled true false"],
];

describe.skipIf(typeof programs === "string")("a filter calls grpc-go", () => {
  let server: Program | null = null;
  let port = 0;
  let module = "";

  beforeAll(async () => {
    if (typeof programs === "string") return;
    module = testModule("grpc-filter");
    [port] = await freePorts(1);
    server = await startInteropServer(programs, port);
  }, INSTALL_PATIENCE);

  afterAll(() => server?.stop());

  test.each([...FILTER_PROXIES])(
    "%s",
    async (name, start) => {
      const [listening] = await freePorts(1);
      const web = httpListener("web", listening, {
        http_filters: [wasmFilter("grpc", module), ROUTER],
        route_config: anyHost("web", [{ match: { prefix: "/" }, direct_response: { status: 404 } }]),
      });
      const clusters = [staticCluster("interop", [port], upstreamHttp2())];
      const proxy = await start({ static_resources: { listeners: [web], clusters } }, listening);
      if (proxy === null) throw new Error(`${name} did not start`);
      try {
        for (let round = 0; round < 3; round++) {
          const answers = await Promise.all(
            ANSWERS.map(async ([path]) => {
              const response = await fetch(`http://127.0.0.1:${listening}${path}`);
              return [path, response.status, await response.text()];
            }),
          );
          expect(answers).toEqual(ANSWERS.map((answer) => [...answer]));
        }
      } finally {
        await proxy.stop();
      }
    },
    60_000,
  );
});
