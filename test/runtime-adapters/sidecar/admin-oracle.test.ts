/**
 * The admin pages beside those of a real Envoy with the same bootstrap: same paths, same status, same shape.
 * Needs Envoy on PATH or in ENVOY_BIN, and says so when it is not there.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { installedRuntimes } from "../../support/runtimes.ts";
import {
  eventually,
  forwarding,
  httpListener,
  loopback,
  PATIENCE,
  SidecarProcess,
  staticCluster,
  Workspace,
} from "../../support/sidecar-process.ts";

const envoyProgram = process.env.ENVOY_BIN ?? Bun.which("envoy") ?? "";
if (envoyProgram === "") console.log("no Envoy (ENVOY_BIN, PATH): the admin pages are not compared with it");

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

describe.skipIf(envoyProgram === "")("the admin pages are Envoy's", () => {
  const workspace = new Workspace();
  let upstream: Bun.Server<undefined>;
  let tulle: SidecarProcess;
  let envoy: Bun.Subprocess;
  let envoyAdmin = "";

  beforeAll(async () => {
    upstream = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hi") });
    const fromFile = (name: string) => ({ path_config_source: { path: workspace.file(name) } });
    const file = (name: string, type: string, resource: object) =>
      workspace.write(name, {
        version_info: "7",
        resources: [{ "@type": `type.googleapis.com/envoy.config.${type}`, ...resource }],
      });
    const rds = { rds: { route_config_name: "r", config_source: fromFile("rds.json") } };
    file("lds.json", "listener.v3.Listener", httpListener("dynamic", 0, rds));
    file("rds.json", "route.v3.RouteConfiguration", forwarding("app", "r"));
    const eds_cluster_config = { service_name: "svc", eds_config: fromFile("eds.json") };
    file("cds.json", "cluster.v3.Cluster", { name: "app", type: "EDS", eds_cluster_config });
    const endpoint = { address: loopback(upstream.port as number) };
    file("eds.json", "endpoint.v3.ClusterLoadAssignment", {
      cluster_name: "svc",
      endpoints: [
        { locality: { region: "r1", zone: "z1" }, lb_endpoints: [{ endpoint, load_balancing_weight: 3 }] },
      ],
    });
    const bootstrap = {
      node: { id: "n", cluster: "c", locality: { region: "r1" }, metadata: { a: "b" } },
      admin: { address: loopback(0) },
      static_resources: {
        listeners: [httpListener("fixed", 0, { route_config: forwarding("plain", "local") })],
        clusters: [
          {
            ...staticCluster("plain", upstream.port as number),
            circuit_breakers: { thresholds: [{ max_requests: 7 }] },
          },
        ],
      },
      layered_runtime: {
        layers: [
          { name: "one", static_layer: { a: { b: 1, c: true }, d: "x" } },
          { name: "two", static_layer: { a: { b: 2 } } },
          { name: "admin", admin_layer: {} },
        ],
      },
      dynamic_resources: { lds_config: fromFile("lds.json"), cds_config: fromFile("cds.json") },
    };
    const config = workspace.write("envoy.json", bootstrap);
    const adminFile = workspace.file("envoy-admin");
    envoy = Bun.spawn(
      [
        envoyProgram,
        "-c",
        config,
        "--concurrency",
        "1",
        "--admin-address-path",
        adminFile,
        "--use-dynamic-base-id",
      ],
      { stdout: "ignore", stderr: "ignore" },
    );
    tulle = new SidecarProcess(installedRuntimes[0], workspace, bootstrap);
    await tulle.ready();
    await eventually(
      async () => {
        try {
          envoyAdmin = `http://${readFileSync(adminFile, "utf8")}`;
          return (await fetch(`${envoyAdmin}/ready`)).status;
        } catch {
          return 0;
        }
      },
      (status) => status === 200,
    );
  }, PATIENCE);

  afterAll(async () => {
    envoy.kill("SIGKILL");
    await tulle.kill();
    await upstream.stop(true);
    workspace.remove();
  });

  async function page(base: string, path: string, method: string): Promise<Page> {
    const response = await fetch(base + path, { method, headers: { connection: "close" } });
    const type = (response.headers.get("content-type") ?? "").toLowerCase();
    const text = await response.text();
    // Envoy writes the two keys of this page in the order of a hash table.
    const body = path === "/runtime" ? JSON.stringify(Object.entries(JSON.parse(text)).sort()) : text;
    return { status: response.status, type, body };
  }

  async function both(path: string, method = "GET"): Promise<readonly [Page, Page]> {
    return [await page(tulle.admin, path, method), await page(envoyAdmin, path, method)];
  }

  test.each([
    ["GET", "/ready"],
    ["POST", "/ready"],
    ["GET", "/certs"],
    ["GET", "/runtime_modify"],
    ["POST", "/runtime_modify"],
    ["POST", "/runtime_modify?a.b=7&fresh=z"],
    ["GET", "/logging"],
    ["GET", "/quitquitquit"],
    ["GET", "/drain_listeners"],
    ["GET", "/healthcheck/fail"],
    ["DELETE", "/reset_counters"],
    ["POST", "/reset_counters"],
    ["POST", "/reopen_logs"],
    ["POST", "/healthcheck/fail"],
    ["GET", "/ready"],
    ["POST", "/healthcheck/ok"],
    ["GET", "/ready"],
    ["POST", "/drain_listeners?skip_exit"],
    ["GET", "/clusters"],
    ["GET", "/clusters?filter=pla"],
    ["GET", "/config_dump?resource=bootstrap"],
    ["GET", "/config_dump?resource=nope"],
    ["GET", "/config_dump?mask=bogus"],
    ["GET", "/config_dump?resource=static_clusters&mask=cluster.name"],
    ["GET", "/config_dump?resource=static_clusters&name_regex=zz"],
    ["GET", "/config_dump?resource=dynamic_listeners&mask=name"],
  ])("the same answer: %s %s", async (method, path) => {
    const [ours, theirs] = await both(path, method);
    expect(ours).toEqual(theirs);
  });

  test.each(["/nope", "/help"])("the same beginning: %s", async (path) => {
    const [ours, theirs] = await both(path);
    expect({ ...ours, body: ours.body.split("\n")[0] }).toEqual({
      ...theirs,
      body: theirs.body.split("\n")[0],
    });
  });

  test("/help describes a part of what Envoy's does, with the same words for how to call it", async () => {
    const [ours, theirs] = await both("/help");
    const commands = (text: string) =>
      text.split("\n").flatMap((line) => /^ {2}(\/\S*(?: \(POST\))?):/.exec(line)?.[1] ?? []);
    const own = ["/wasm_modules (POST)"];
    const shared = commands(ours.body).filter((command) => !own.includes(command));
    expect(commands(theirs.body)).toEqual(expect.arrayContaining(shared));
  });

  test.each(["/listeners", "/listeners?format=json", "/listeners?format=odd"])(
    "%s, but for ports",
    async (path) => {
      const [ours, theirs] = await both(path);
      const blurred = ({ body, ...rest }: Page) => ({
        ...rest,
        body: body
          .replace(/(127\.0\.0\.1:|"port_value": )\d+/g, "$1*")
          .split("\n")
          .sort(),
      });
      expect(blurred(ours)).toEqual(blurred(theirs));
    },
  );

  /** Every key that occurs, with its kind: "configs[].bootstrap.node.id: string". */
  function shape(json: unknown, at = ""): Set<string> {
    if (Array.isArray(json)) return new Set(json.flatMap((each) => [...shape(each, `${at}[]`)]));
    if (json === null || typeof json !== "object") return new Set([`${at}: ${typeof json}`]);
    return new Set(
      Object.entries(json).flatMap(([key, value]) => [...shape(value, at === "" ? key : `${at}.${key}`)]),
    );
  }

  test("/clusters?format=json", async () => {
    const [ours, theirs] = await both("/clusters?format=json");
    expect(ours.type).toBe(theirs.type);
    const sorted = (text: string) =>
      (JSON.parse(text) as { cluster_statuses: { name: string }[] }).cluster_statuses.sort((a, b) =>
        a.name < b.name ? -1 : 1,
      );
    expect(sorted(ours.body)).toEqual(sorted(theirs.body));
  });

  test("/config_dump?include_eds", async () => {
    const [ours, theirs] = await both("/config_dump?include_eds");
    expect(ours.type).toBe(theirs.type);
    const tidy = (text: string) => {
      const dump = JSON.parse(text);
      for (const config of dump.configs) delete config.bootstrap; // its node tells about the build
      const blurred = JSON.stringify(dump).replace(/"last_updated":"[^"]*"/g, '"last_updated":"*"');
      return JSON.parse(blurred);
    };
    expect(tidy(ours.body)).toEqual(tidy(theirs.body));
    const bootstrapOf = (text: string) => JSON.parse(text).configs[0].bootstrap;
    const { node: ourNode, ...ourRest } = bootstrapOf(ours.body);
    const { node: theirNode, ...theirRest } = bootstrapOf(theirs.body);
    expect(ourRest).toEqual(theirRest);
    expect(theirNode).toMatchObject(ourNode);
  });

  test("/server_info and /memory have Envoy's fields", async () => {
    for (const path of ["/server_info", "/memory"]) {
      const [ours, theirs] = await both(path);
      expect(ours.type).toBe(theirs.type);
      const envoys = shape(JSON.parse(theirs.body));
      const strangers = [...shape(JSON.parse(ours.body))].filter((field) => !envoys.has(field));
      expect(strangers).toEqual([]);
    }
  });

  test("/runtime, after some changes", async () => {
    for (const query of ["", "?a.b=&d=0.5", "?fresh=", "?a.b=1&unknown="]) {
      if (query !== "") await both(`/runtime_modify${query}`, "POST");
      const [ours, theirs] = await both("/runtime");
      expect(ours.type).toBe(theirs.type);
      expect(JSON.parse(ours.body)).toEqual(JSON.parse(theirs.body));
    }
  });

  test("/logging knows Envoy's ways to ask and to complain", async () => {
    for (const query of ["", "?level=warning", "?http=debug", "?paths=http:info,main:error", "?level=info"]) {
      const [ours, theirs] = await both(`/logging${query}`, "POST");
      expect(ours.status).toBe(theirs.status);
      const known = ours.body.split("\n").filter((line) => line.startsWith("  "));
      expect(known.length).toBeGreaterThan(5);
      expect(theirs.body.split("\n")).toEqual(expect.arrayContaining(known));
    }
    for (const query of ["?level=loud", "?nobody=debug", "?paths=http:loud", "?http=info&main=info"]) {
      const [ours, theirs] = await both(`/logging${query}`, "POST");
      expect([ours.status, ours.body.split("\n")[0]]).toEqual([theirs.status, theirs.body.split("\n")[0]]);
    }
  });

  test("statistics: every name of ours that Envoy could have, it has", async () => {
    const names = async (base: string) =>
      new Set((await page(base, "/stats", "GET")).body.split("\n").map((line) => line.split(": ")[0]));
    const blur = (name: string) => name.replace(/127\.0\.0\.1_\d+/, "127.0.0.1_*");
    const envoys = new Set([...(await names(envoyAdmin))].map(blur));
    const strangers = [...(await names(tulle.admin))]
      .map(blur)
      .filter((name) => name !== "" && !name.startsWith("tulle.") && !envoys.has(name));
    expect(strangers).toEqual([]);
  });
});
