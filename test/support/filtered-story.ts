/** Stories with filters: what the origin got is written down, and origins answer what has arrived whole. */
import type { Peer } from "../../runtime-adapters/memory/peer.ts";
import { OK, type Script, type Story, type StorySetup, story } from "./engine-story.ts";
import type { ScriptedFilter } from "./scripted-filter.ts";
import { httpManager } from "./snapshot-fixture.ts";

export interface FilteredStory {
  readonly s: Story;
  /** What reached the origin, a request each. */
  readonly seen: string[];
}

/** A story with these filters. */
export async function filtered(
  filters: readonly ScriptedFilter[],
  setup: StorySetup = {},
): Promise<FilteredStory> {
  const seen: string[] = [];
  const script: Script = (peer: Peer) => {
    if (peer.received === "") return;
    const whole = /content-length: (\d+)\r\n/.exec(peer.received);
    const [head, body = ""] = peer.received.split(/\r\n\r\n(.*)/s);
    if (!peer.received.includes("\r\n\r\n")) return;
    if (whole !== null && body.length < Number(whole[1])) return;
    if (head.includes("transfer-encoding: chunked") && !peer.received.endsWith("0\r\n\r\n")) return;
    seen.push(peer.take());
    peer.send(OK);
  };
  const s = await story({ origins: [script], filters, ...setup });
  return { s, seen };
}

/** HTTP/1 options of either side that let trailers pass. */
export const WITH_TRAILERS = { ...httpManager(null as never).http1, enableTrailers: true };

/** What follows the first empty line. */
export const bodyOf = (message: string): string => message.slice(message.indexOf("\r\n\r\n") + 4);
