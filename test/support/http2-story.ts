/** Stories over HTTP/2: clients and origins that speak it frame by frame, and the ways in which bytes may be cut. */
import type { Http2ProtocolOptions } from "../../core/config/model.ts";
import type { NetworkOptions } from "../../runtime-adapters/memory/network.ts";
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { type Story, type StorySetup, story } from "./engine-story.ts";
import { Http2Peer } from "./http2-peer.ts";
import { HTTP2 } from "./snapshot-fixture.ts";

/** How what is sent arrives: whole, byte by byte, at random splits. */
export const CUTS: readonly (readonly [title: string, network: NetworkOptions])[] = [
  ["whole", {}],
  ["byte by byte", { maxRead: 1 }],
  ...[1, 2, 3].map((seed) => [`split, seed ${seed}`, { seed, maxRead: 64, splitReads: true }] as const),
];

/** A proxy, and a client that has said its preface and SETTINGS. */
export async function clientStory(
  setup: StorySetup = {},
  ...settings: number[]
): Promise<{ s: Story; client: Http2Peer }> {
  const s = await story(setup);
  const client = new Http2Peer(s.client(), true);
  client.settings(...settings);
  s.settle();
  client.heard();
  return { s, client };
}

/** Options of a connection manager, or a cluster, that speaks HTTP/2. */
export function http2(options: Partial<Http2ProtocolOptions>): { readonly http2: Http2ProtocolOptions } {
  return { http2: { ...HTTP2, ...options } };
}

/** What an origin does when it has heard a line. */
export type OnLine = (line: string, peer: Http2Peer) => void;

/** Origins that speak HTTP/2; `on` hears the lines that each connection says. */
export class Http2Origins {
  readonly peers: Http2Peer[] = [];
  readonly heard: string[] = [];
  private readonly known = new Map<Peer, Http2Peer>();
  private readonly on: OnLine;

  constructor(on: OnLine) {
    this.on = on;
  }

  readonly script = (peer: Peer): void => {
    let mine = this.known.get(peer);
    if (mine === undefined) {
      mine = new Http2Peer(peer, false);
      this.known.set(peer, mine);
      this.peers.push(mine);
      mine.settings();
    }
    for (const line of mine.heard()) {
      this.heard.push(line);
      this.on(line, mine);
    }
    if (peer.ended) peer.close();
  };
}

/** A proxy whose one origin speaks HTTP/2. */
export async function originStory(
  on: OnLine,
  setup: StorySetup = {},
): Promise<{ s: Story; origins: Http2Origins }> {
  const origins = new Http2Origins(on);
  const cluster = { http2: HTTP2, ...setup.cluster };
  return { s: await story({ ...setup, cluster, origins: [origins.script] }), origins };
}
