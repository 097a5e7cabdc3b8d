/**
 * Every attribute of Envoy 1.40, asked for by one module in Envoy and in ours: the same answers, byte for byte, but for
 * what the tables below name. What Envoy said is recorded for where it is not installed (ENVOY_BIN); TULLE_RECORD=1
 * writes it anew.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILTER_PROXIES } from "../../support/filter-proxies.ts";
import { HAS_ASSEMBLER } from "../../support/guest.ts";
import { type Probed, type ProbedKind, probe } from "../../support/property-lab.ts";

const CALLBACKS: { readonly [kind in ProbedKind]: readonly string[] } = {
  http: ["configure", "request_headers", "response_headers", "log"],
  tcp: ["new_connection", "downstream_data", "upstream_data", "log"],
};

/** "." stands between segments, "~" is a dot. */
const paths = (text: string): string[] =>
  text
    .trim()
    .split(/\s+/)
    .map((path) => path.replaceAll(".", "\0").replaceAll("~", "."));

const OF_METADATA = "xds.route_metadata.filter_metadata";

/** The same value in both. */
const EXACT = paths(`
  request request.path request.url_path request.query request.scheme request.method request.referer
  request.protocol request.size request.headers.x-two
  response response.code response.code_details response.flags response.size response.grpc_status
  response.headers.x-a response.trailers
  source destination connection connection.mtls connection.requested_server_name connection.termination_details
  connection.transport_failure_reason connection.tls_version connection.peer_certificate
  connection.subject_local_certificate connection.subject_peer_certificate connection.dns_san_local_certificate
  connection.dns_san_peer_certificate connection.uri_san_local_certificate connection.uri_san_peer_certificate
  connection.sha256_peer_certificate_digest
  upstream upstream.transport_failure_reason upstream.request_attempt_count upstream.num_endpoints
  upstream.locality upstream.locality.region upstream.locality.zone upstream.locality.sub_zone
  upstream.locality.none upstream.tls_version upstream.subject_peer_certificate
  xds xds.node.id xds.node.cluster xds.node.locality xds.node.locality.zone xds.node.metadata.NAMESPACE
  xds.node.metadata.LABELS xds.node.metadata.LABELS.app xds.node.metadata.none xds.node.none
  xds.cluster_name xds.route_name xds.virtual_host_name xds.filter_chain_name xds.listener_direction xds.none
  ${OF_METADATA} ${OF_METADATA}.of~test ${OF_METADATA}.of~test.name ${OF_METADATA}.of~test.number
  ${OF_METADATA}.of~test.yes ${OF_METADATA}.of~test.nothing ${OF_METADATA}.of~test.nothing.x
  ${OF_METADATA}.of~test.list ${OF_METADATA}.of~test.list.0 ${OF_METADATA}.of~test.list.1
  ${OF_METADATA}.of~test.list.1.b ${OF_METADATA}.of~test.list.2 ${OF_METADATA}.of~test.list.x
  ${OF_METADATA}.of~test.deep ${OF_METADATA}.of~test.deep.a.b ${OF_METADATA}.of~test.with~dot
  ${OF_METADATA}.of~test.name.x ${OF_METADATA}.none ${OF_METADATA}.other
  xds.route_metadata.typed_filter_metadata xds.route_metadata.none
  xds.virtual_host_metadata.filter_metadata.of~test.name xds.cluster_metadata.filter_metadata.of~test.name
  xds.listener_metadata.filter_metadata.of~test.name xds.upstream_host_metadata.filter_metadata.of~test.name
  xds.upstream_host_locality_metadata.filter_metadata.of~test.name
  metadata metadata.filter_metadata metadata.filter_metadata.x
  filter_state filter_state.wasm~probe~state filter_state.probe~state filter_state.none upstream_filter_state
  upstream_filter_state.x probe~state probe~state.x
  node node.id cluster_name route_name cluster_metadata route_metadata listener_direction listener_metadata
  upstream_host_metadata plugin_name plugin_root_id plugin_vm_id plugin_name.x`).concat("");

/** Maps in an order of their own: the same bytes. */
const UNORDERED = paths(`
  xds.node.metadata xds.route_metadata xds.virtual_host_metadata xds.cluster_metadata xds.listener_metadata
  xds.upstream_host_metadata xds.upstream_host_locality_metadata`);

/** Ports, times, names that differ from run to run: there or not in the same way, and of the same length. */
const ALIKE = paths(`
  request.host request.useragent request.id request.time request.duration request.total_size request.headers_bytes
  response.total_size response.headers_bytes response.backend_latency source.address source.port
  destination.address destination.port connection.id connection_id upstream.address upstream.port
  upstream.local_address xds.node.user_agent_name`);

const ALL = [...EXACT, ...UNORDERED, ...ALIKE];

/**
 * In Envoy a request's head can be asked for in the callbacks of the request and the log alone, here always. Why an
 * upstream could not be reached is "" there before one was tried, and how long a connection took is not known in its
 * log.
 */
const OURS: { readonly [kind in ProbedKind]: RegExp } = {
  http: /^response_headers request\0(path|url_path|query|host|scheme|method|useragent|id|headers\0x-two)$/,
  tcp: /^(new_connection upstream\0transport_failure_reason|log request\0duration)$/,
};

/** Of a connection: how many bytes there have been depends on how they came. */
const VARIES: { readonly [kind in ProbedKind]: RegExp } = {
  http: /^$/,
  tcp: /^\w+ (request|response)\0size$/,
};

type Told = { readonly [what: string]: string };

/** "#<status>", or the value in a form that can be compared. */
function told(probed: Probed, kind: ProbedKind): Told {
  const entries = CALLBACKS[kind].flatMap((callback) =>
    ALL.map((path): [string, string] => {
      const found = probed.found.get(`${callback} ${path}`);
      if (found === undefined) return [`${callback} ${path}`, "not told"];
      const { status, value } = found;
      let text = `=${value}`;
      if (ALIKE.includes(path)) text = `${value.length} bytes`;
      else if (UNORDERED.includes(path)) text = [...value].sort().join("");
      return [`${callback} ${path}`, status === 0 ? text : `#${status}`];
    }),
  );
  return Object.fromEntries(entries);
}

const RECORD = join(import.meta.dir, "properties-envoy.json");
const FORMAT = "%FILTER_STATE(wasm.probe.state:PLAIN)% %FILTER_STATE(wasm.probe.state:PLAIN):2%";

const KINDS = ["http", "tcp"] as const;

describe.skipIf(!HAS_ASSEMBLER)("properties, as in Envoy", () => {
  const recorded = JSON.parse(readFileSync(RECORD, "utf8")) as { [kind in ProbedKind]: Told };
  const cases = KINDS.flatMap((kind) => FILTER_PROXIES.map(([name, start]) => ({ kind, name, start })));

  test.each(cases)(
    "$kind: $name",
    async ({ kind, name, start }) => {
      const probed = await probe(start, ALL, CALLBACKS[kind], FORMAT, kind);
      if (probed === null) throw new Error(`${name} did not start`);
      expect(probed.line).toBe("left le\n");
      const is = told(probed, kind);
      if (name === "Envoy" && process.env.TULLE_RECORD) recorded[kind] = is;
      const expected = { ...recorded[kind] };
      for (const what of Object.keys(expected))
        if (VARIES[kind].test(what) || (name !== "Envoy" && OURS[kind].test(what))) delete expected[what];
      for (const [what, value] of Object.entries(expected)) expect([what, is[what]]).toEqual([what, value]);
    },
    60_000,
  );

  afterAll(() => {
    if (process.env.TULLE_RECORD) writeFileSync(RECORD, `${JSON.stringify(recorded, null, 2)}\n`);
  });
});
