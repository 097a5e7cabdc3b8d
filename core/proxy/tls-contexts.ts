/**
 * The TLS contexts that are in use in one worker, by who uses them, and how far the sessions of each reach. A context takes
 * ms to make, and some engines resume only what was begun in the same one: so a listener or cluster that changes in
 * something else than TLS keeps its contexts.
 *
 * Law: what decides whom a context lets in, and what it is to its peers, is in its scope: no session that was begun under
 * other demands, or with another certificate, or somewhere else, is resumed in it.
 */
import { toBytes, utf8ByteString } from "../bytes/ascii.ts";
import type { Platform } from "../io/platform.ts";
import type { TlsContext, TlsContextOptions } from "../io/tls.ts";
import { hex } from "../tls/der.ts";

interface Place {
  /** Versions of a listener or cluster that may ask. */
  holders: number;
  /** Of those in `made`. */
  scope: string;
  /** By what is offered. */
  readonly made: Map<string, TlsContext>;
}

export class TlsContexts {
  private readonly platform: Platform;
  private readonly places = new Map<string, Place>();

  constructor(platform: Platform) {
    this.platform = platform;
  }

  /**
   * What is made for `place`, a listener's filter chain or a cluster, is kept until as many `release` it. A successor
   * holds before its predecessor releases.
   */
  hold(place: string): void {
    const known = this.places.get(place);
    if (known === undefined) this.places.set(place, { holders: 1, scope: "", made: new Map() });
    else known.holders++;
  }

  release(place: string): void {
    const known = this.places.get(place);
    if (known !== undefined && --known.holders === 0) this.places.delete(place);
  }

  /**
   * The context of these options, the same object as the last time if nothing has changed. `demands`: what is asked of
   * peers beside the handshake, plain data.
   */
  make(place: string, demands: unknown, options: Omit<TlsContextOptions, "sessionScope">): TlsContext {
    const { platform } = this;
    const sessionScope = scopeOf(platform, place, demands, options);
    const known = this.places.get(place);
    if (known === undefined) return platform.tlsContext({ ...options, sessionScope });
    if (known.scope !== sessionScope) {
      known.scope = sessionScope;
      known.made.clear();
    }
    const offer = JSON.stringify(options.alpn);
    let context = known.made.get(offer);
    if (context === undefined) {
      context = platform.tlsContext({ ...options, sessionScope });
      if (context.fault === "") known.made.set(offer, context);
    }
    return context;
  }
}

/**
 * SHA-256 in hexadecimal. What is offered by ALPN is left out, for it is agreed upon anew in each session; keys are,
 * because their certificates stand for them.
 */
function scopeOf(
  { cryptography }: Platform,
  place: string,
  demands: unknown,
  options: Omit<TlsContextOptions, "sessionScope">,
): string {
  const certificates = options.certificates.map(({ chain }) => chain);
  const all = JSON.stringify([place, demands, { ...options, certificates, alpn: [] }]);
  return hex(cryptography.sha256(toBytes(utf8ByteString(all))));
}
