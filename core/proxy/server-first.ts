/**
 * Destinations whose servers speak first (SMTP, MySQL): their clients say nothing that could be looked at, and would wait
 * for the listener's timeout, every one of them. So the first one's fate is remembered. A destination is the address of
 * ours that the client has connected to.
 *
 * Laws, against those who want to teach us something wrong:
 * - It is learned from the server alone: whose connection went on unread, in time, and heard from it before the client
 *   said a word. A client that keeps silent teaches nothing; neither does a server that speaks because it is tired of
 *   waiting (408), nor one that is answered with a request of HTTP.
 * - Where a client has spoken first nothing is believed for a while, whatever was learned or is to be.
 * - It decides nothing but how long is waited, and only for the chain that it was learned of. Listeners where TLS, or
 *   a name in it, leads to another chain have no such memory: nobody can be made to miss that chain (docs/tls.md).
 */
import type { FilterChain, Listener } from "../config/model.ts";
import { formatAddress, type PlainSocket } from "../io/socket.ts";
import { chainsOf } from "../route/filter-chain-match.ts";
import type { ProtocolDetectionStats } from "../telemetry/listener-stats.ts";
import type { Clock } from "../time/clock.ts";
import { HTTP_PROTOCOLS, HttpWatch, NotHttp } from "./http-watch.ts";

/** What was learned holds for so long after it was last seen, ms; so does that a client spoke first. */
const AGE = 600_000;
/** A server that speaks first does so when it is connected to, ms. */
const PROMPT = 1000;
/** Destinations of one listener and worker. */
const MOST = 1024;

interface Destination {
  /** Where the server was heard first, or null. */
  chain: FilterChain | null;
  /** When it last was, or when a client was, ms. */
  since: number;
}

/** Knows where those come who say nothing. */
interface ChainOfSilent {
  silentChain(socket: PlainSocket): FilterChain | null;
}

export class ServerFirst {
  private readonly destinations = new Map<string, Destination>();
  private readonly clock: Clock;
  private readonly stats: () => ProtocolDetectionStats;

  /** `stats` is asked for as soon as there is something to count. */
  constructor(clock: Clock, stats: () => ProtocolDetectionStats) {
    this.clock = clock;
    this.stats = stats;
  }

  /** True if a client need not be waited for, because its server speaks first in the chain that it would come to. */
  expects(socket: PlainSocket, listener: ChainOfSilent): boolean {
    if (this.destinations.size === 0) return false;
    const known = this.find(formatAddress(socket.local));
    return known !== null && known.chain !== null && known.chain === listener.silentChain(socket);
  }

  /** One that was expected to keep silent did, and was not waited for. */
  onSilence(): void {
    this.stats().serverFirstUsed++;
  }

  /** A client has spoken first. */
  onClient({ local }: PlainSocket): void {
    this.forget(formatAddress(local));
  }

  /** Who listens to a connection that goes on unread by that chain. */
  witness({ local }: PlainSocket, chain: FilterChain): FirstWord {
    return new FirstWord(this, formatAddress(local), chain, this.clock);
  }

  /** For witnesses: the server spoke first. */
  learn(name: string, chain: FilterChain): void {
    const known = this.find(name);
    if (known === null) {
      this.note(name, chain);
      this.stats().serverFirstLearned++;
    } else if (known.chain !== null) {
      // Otherwise a client spoke first, not long ago.
      known.chain = chain;
      known.since = this.clock.now;
    }
  }

  /** For witnesses: the client did. */
  forget(name: string): void {
    const known = this.find(name);
    if (known === null) this.note(name, null);
    else {
      if (known.chain !== null) this.stats().serverFirstForgotten++;
      known.chain = null;
      known.since = this.clock.now;
    }
  }

  /** What still holds. */
  private find(name: string): Destination | null {
    const known = this.destinations.get(name);
    if (known === undefined) return null;
    if (this.clock.now - known.since < AGE) return known;
    this.destinations.delete(name);
    return null;
  }

  private note(name: string, chain: FilterChain | null): void {
    const { destinations } = this;
    if (destinations.size === MOST) destinations.delete(destinations.keys().next().value as string);
    destinations.set(name, { chain, since: this.clock.now });
  }
}

/** Hears which side of one connection speaks first, if the server does so in time, and how the client begins then. */
export class FirstWord {
  private readonly memory: ServerFirst;
  private readonly destination: string;
  private readonly chain: FilterChain;
  private readonly clock: Clock;
  private connected = 0;
  private heard = false;

  constructor(memory: ServerFirst, destination: string, chain: FilterChain, clock: Clock) {
    this.memory = memory;
    this.destination = destination;
    this.chain = chain;
    this.clock = clock;
  }

  /** The server is there. */
  onConnected(): void {
    this.connected = this.clock.now;
  }

  /** The server has said something. */
  onServer(): void {
    if (this.heard) return;
    this.heard = true;
    if (this.clock.now - this.connected <= PROMPT) this.memory.learn(this.destination, this.chain);
  }

  /** The client has; not called any more. A request is no answer to a server: they have crossed. */
  onClient(chunk: Uint8Array): void {
    if (!this.heard || new HttpWatch().feed(chunk) > NotHttp) this.memory.forget(this.destination);
  }
}

/** What only a http_inspector says of a client; anything else is said in TLS. */
const IN_PLAIN_TEXT: readonly string[] = HTTP_PROTOCOLS.filter((name) => name !== "");

/** True if a listener may have such a memory: clients are waited for, and TLS makes no difference to any of them. */
export function mayExpectServers(listener: Listener): boolean {
  const { filters } = listener;
  if (filters === undefined || !filters.continueOnTimeout || filters.timeout === 0) return false;
  return chainsOf(listener).every(
    ({ tls, match }) =>
      tls == null &&
      match.transportProtocol !== "tls" &&
      match.serverNames.length === 0 &&
      match.applicationProtocols.every((name) => IN_PLAIN_TEXT.includes(name)),
  );
}
