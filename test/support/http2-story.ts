/** Origins and clients of stories that speak HTTP/2 with the proxy. */
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { type Story, type StorySetup, story } from "./engine-story.ts";
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

/** A client that has said its preface and these settings. */
export function http2Client(s: Story, ...settings: number[]): Http2Peer {
  const client = new Http2Peer(s.client(), true);
  client.settings(...settings);
  s.settle();
  client.heard();
  return client;
}
