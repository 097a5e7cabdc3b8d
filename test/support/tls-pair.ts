/**
 * Two proxies in one, for stories about TLS: a client in plain text comes by the listener "web", goes out to the cluster
 * "peer" over TLS, comes in again by the listener "in" at 127.0.0.1:443, and is answered by the origin. Its certificates
 * are made anew in each process.
 */
import type {
  Cluster,
  FilterChain,
  HttpConnectionManager,
  Json,
  Listener,
  RouteAction,
  Snapshot,
  Thresholds,
} from "../../core/config/model.ts";
import type { DownstreamTls, ListenerFilters, UpstreamTls } from "../../core/config/tls.ts";
import { NATIVE_FILTERS } from "../../filters/standard.ts";
import { NOW, rootCa, workload } from "./certificates.ts";
import {
  answers,
  OK,
  type Script,
  type Story,
  type StorySetup,
  story,
  storySnapshot,
  textLog,
} from "./engine-story.ts";
import {
  cluster,
  httpManager,
  ip,
  listener,
  route,
  routeConfiguration,
  routeTo,
  virtualHost,
} from "./snapshot-fixture.ts";
import { PARAMETERS, shown, trusting } from "./tls-config.ts";

export const root = await rootCa();
export const server = await workload(root, "spiffe://mesh.test/ns/a/sa/server");
export const client = await workload(root, "spiffe://mesh.test/ns/a/sa/client");

function serving(change: Partial<DownstreamTls> = {}): DownstreamTls {
  return {
    parameters: PARAMETERS,
    certificates: [shown(server)],
    certificateSecrets: [],
    alpn: [],
    validation: trusting(root),
    validationSecret: "",
    requireClientCertificate: true,
    requireSni: false,
    sessionTickets: true,
    sessionTimeout: 0,
    ...change,
  };
}

function calling(change: Partial<UpstreamTls> = {}): UpstreamTls {
  return {
    parameters: PARAMETERS,
    certificates: [shown(client)],
    certificateSecrets: [],
    alpn: [],
    validation: trusting(root),
    validationSecret: "",
    sni: "server.example",
    maxSessionKeys: 1,
    ...change,
  };
}

export interface Pair {
  readonly down?: Partial<DownstreamTls>;
  readonly up?: Partial<UpstreamTls> | null;
  readonly cluster?: Partial<Cluster>;
  /** Of the cluster "peer". */
  readonly limits?: Partial<Thresholds>;
  /** Of the route to it. */
  readonly action?: Partial<RouteAction>;
  readonly listener?: Partial<Listener>;
  readonly chain?: Partial<FilterChain>;
  readonly manager?: Partial<HttpConnectionManager>;
  /** Of the inbound side. */
  readonly log?: string;
  /** Of the outbound side, which logs nothing without it. */
  readonly outboundLog?: string;
  /** A native filter before both routers. */
  readonly filter?: { readonly typeName: string; readonly config: Json };
  /** The metadata of the node. */
  readonly metadata?: Json;
  /** The origin's script, default `OK`. */
  readonly answer?: Script;
  /** More chains behind the first. */
  readonly chains?: readonly Partial<FilterChain>[];
}

/** A listener that looks for TLS. */
export const INSPECTED: ListenerFilters = {
  tlsInspector: true,
  httpInspector: false,
  timeout: 15_000,
  continueOnTimeout: false,
};

/** What is in force. */
export const snapshots = new WeakMap<Story, Snapshot>();

export async function pair(setup: Pair = {}): Promise<Story> {
  const { manager: change = {}, filter, log = "%RESPONSE_CODE%" } = setup;
  const filters = filter && { httpFilters: [{ name: "it", disabled: false, discovery: null, ...filter }] };
  const base: StorySetup = {
    network: { epoch: NOW },
    origins: [setup.answer ?? answers(OK)],
    manager: { ...filters, ...change },
    log,
    kinds: NATIVE_FILTERS,
  };
  const s = await story(base);
  const plain = storySnapshot(base);
  const toPeer = routeConfiguration([virtualHost([route("/", routeTo("peer", setup.action))])]);
  const inbound = plain.listeners[0].filterChains[0];
  const manager = inbound.filter;
  const chain: FilterChain = { ...inbound, tls: serving(setup.down), ...setup.chain };
  const accessLog = setup.outboundLog ? [textLog(setup.outboundLog)] : [];
  const outbound = httpManager(toPeer, { accessLog, ...filters });
  const first = listener("web", ip("127.0.0.1", 80), outbound, { trafficDirection: "OUTBOUND" });
  const second = listener("in", ip("127.0.0.1", 443), manager as never, {
    trafficDirection: "INBOUND",
    filterChains: [chain, ...(setup.chains ?? []).map((more) => ({ ...inbound, ...more }))],
    ...setup.listener,
  });
  const usual = cluster("peer", [ip("127.0.0.1", 443)], {
    tls: setup.up === null ? null : calling(setup.up),
    ...setup.cluster,
  });
  const limits = { ...usual.circuitBreakers.default, ...setup.limits };
  const peer = { ...usual, circuitBreakers: { ...usual.circuitBreakers, default: limits } };
  const snapshot = {
    ...plain,
    node: { ...plain.node, metadata: setup.metadata ?? plain.node.metadata },
    listeners: [first, { ...second, version: "2" }],
    clusters: [...plain.clusters, peer],
  };
  snapshots.set(s, snapshot);
  await s.apply(snapshot);
  return s;
}

/** The cluster "peer" becomes another, the rest stays in force. */
export async function changePeer(s: Story, change: (peer: Cluster) => Partial<Cluster>): Promise<void> {
  const snapshot = snapshots.get(s) as Snapshot;
  const clusters = snapshot.clusters.map((each) =>
    each.name === "peer" ? { ...each, version: "2", ...change(each) } : each,
  );
  await s.apply({ ...snapshot, clusters });
}

/** What the listener "in" counts under. */
export const SSL_IN = "listener.127.0.0.1_443.ssl.";

/** A match of everything. */
export function matchOf(change: Partial<FilterChain["match"]>): FilterChain["match"] {
  return { ...listener("x", ip("127.0.0.1", 1), {} as never).filterChains[0].match, ...change };
}
