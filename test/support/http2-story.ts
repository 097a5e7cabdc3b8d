/** Origins and clients of stories that speak HTTP/2 with the proxy, and the ways in which their bytes may be cut. */
import { expect } from "bun:test";
import type { Http2ProtocolOptions } from "../../core/config/model.ts";
import type { NetworkOptions } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { OK as OK1, type Script, type Story, type StorySetup, story } from "./engine-story.ts";
import { Http2Peer } from "./http2-peer.ts";
import { HTTP2 } from "./snapshot-fixture.ts";

/** What is done about a line that an origin's connection hears. */
export type OnLine = (line: string, peer: Http2Peer) => void;

/** Origins that speak HTTP/2; `on` is told what each connection hears. */
export class Origins {
  readonly peers: Http2Peer[] = [];
  readonly heard: string[] = [];
  private readonly known = new Map<Peer, Http2Peer>();
  private readonly on: OnLine;
  private readonly settings: readonly number[];

  constructor(on: OnLine, settings: readonly number[] = []) {
    this.on = on;
    this.settings = settings;
  }

  /** It has said something to that connection. */
  knows(peer: Peer): boolean {
    return this.known.has(peer);
  }

  readonly script = (peer: Peer): void => {
    let mine = this.known.get(peer);
    if (mine === undefined) {
      mine = new Http2Peer(peer, false);
      this.known.set(peer, mine);
      this.peers.push(mine);
      mine.settings(...this.settings);
    }
    for (const line of mine.heard()) {
      this.heard.push(line);
      this.on(line, mine);
    }
    if (peer.ended) peer.close();
  };
}

/** The head of a whole small answer. */
export const OK = [
  [":status", "200"],
  ["content-length", "2"],
] as const;

/** Answers each request when it is complete. */
export function answer(line: string, peer: Http2Peer): void {
  const [id] = line.split(" ");
  if (line.endsWith(" end")) peer.head(Number(id), OK).data(Number(id), "ok", true);
}

/** The number of the stream that a line is about. */
export function streamOf(line: string): number {
  return Number(line.split(" ")[0]);
}

/** A proxy whose only origin speaks HTTP/2 and has said these settings. */
export async function speaking(
  on: OnLine,
  setup: StorySetup = {},
  settings: readonly number[] = [],
): Promise<{ s: Story; origins: Origins }> {
  const origins = new Origins(on, settings);
  const s = await story({ ...setup, cluster: { http2: HTTP2, ...setup.cluster }, origins: [origins.script] });
  return { s, origins };
}

/** What an origin of either version has heard, and has to say. */
export interface Bilingual {
  /** The version of each request, in order. */
  readonly spoken: string[];
  /** Answers, to be given when it is time. */
  readonly waiting: (() => void)[];
  readonly script: Script;
}

/** An origin that speaks what it is spoken to in. It answers GET /, when it is told to. */
export function bilingual(): Bilingual {
  const spoken: string[] = [];
  const waiting: (() => void)[] = [];
  const origins = new Origins((line, peer) => {
    if (!line.includes(" head ")) return;
    spoken.push("HTTP/2");
    waiting.push(() => answer(line, peer));
  });
  const script: Script = (peer) => {
    if (peer.received.startsWith("GET ")) {
      spoken.push(peer.take().slice(6, 14));
      waiting.push(() => void peer.send(OK1));
    } else if (peer.received.startsWith("PRI ") || origins.knows(peer)) origins.script(peer);
    else if (peer.ended) peer.close();
  };
  return { spoken, waiting, script };
}

/** A client that has said its preface and these settings. */
export function http2Client(s: Story, ...settings: number[]): Http2Peer {
  const client = new Http2Peer(s.client(), true);
  client.settings(...settings);
  s.settle();
  expect(client.heard()).toEqual([]);
  return client;
}

/** A proxy, and a client that has said its preface and SETTINGS. */
export async function clientStory(
  setup: StorySetup = {},
  ...settings: number[]
): Promise<{ s: Story; client: Http2Peer }> {
  const s = await story(setup);
  return { s, client: http2Client(s, ...settings) };
}

/** Options of a connection manager, or a cluster, that speaks HTTP/2. */
export function http2(options: Partial<Http2ProtocolOptions>): { readonly http2: Http2ProtocolOptions } {
  return { http2: { ...HTTP2, ...options } };
}

/** How what is sent arrives: whole, byte by byte, at random splits. */
export const CUTS: readonly (readonly [title: string, network: NetworkOptions])[] = [
  ["whole", {}],
  ["byte by byte", { maxRead: 1 }],
  ...[1, 2, 3].map((seed) => [`split, seed ${seed}`, { seed, maxRead: 64, splitReads: true }] as const),
];
