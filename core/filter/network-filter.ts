/**
 * A filter on the bytes of a connection, before whatever speaks on it. Hooks are named as proxy-wasm names them; what
 * they answer means what it means after a body (verdict.ts), with two differences: a connection that is held at its
 * beginning is not read, and there is nothing like a 413: too much stops the sender, and all that is held is shown
 * again with what comes.
 */
import type { Json } from "../config/model.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { Body } from "./body.ts";
import type { FilterContext } from "./filter-context.ts";
import type { Verdict } from "./verdict.ts";

/** Who ended a connection. */
export const Unknown = 0;
export const ClosedByUs = 1;
export const ClosedByPeer = 2;
export type ClosedBy = typeof Unknown | typeof ClosedByUs | typeof ClosedByPeer;

/** What a filter may do to its connection. Valid until `onLog` has returned. */
export interface NetworkFilterCallbacks {
  readonly info: StreamInfo;
  /** What this filter holds of the bytes of either side, null if it holds nothing. */
  readonly heldDownstream: Body | null;
  readonly heldUpstream: Body | null;
  /** Lets go what this filter holds of the client's bytes. */
  continueDownstream(): void;
  /** Closes the connection after what is queued for the client. */
  close(): void;
}

/** One filter on one connection. Hooks that are not there are skipped without cost. */
export interface NetworkFilter {
  readonly onNewConnection?: (() => Verdict) | undefined;
  /** Bytes of the client; `endOfStream`: it has sent FIN. */
  readonly onDownstreamData?: ((data: Body, endOfStream: boolean) => Verdict) | undefined;
  /** Bytes for the client. */
  readonly onUpstreamData?: ((data: Body, endOfStream: boolean) => Verdict) | undefined;
  readonly onDownstreamClose?: ((by: ClosedBy) => void) | undefined;
  readonly onUpstreamClose?: ((by: ClosedBy) => void) | undefined;
  /** The connection is over. The last call. */
  readonly onLog?: (() => void) | undefined;
}

/** Makes the filters of connections. */
export interface NetworkFilterFactory {
  /** For one connection; null if it goes without this filter. */
  create(callbacks: NetworkFilterCallbacks): NetworkFilter | null;
  /** No further connection comes; those that live keep their filters. */
  release(): void;
}

/** One sort of network filter. */
export interface NetworkFilterKind {
  /** `config` has passed its check. Never throws. */
  networkFactory(config: Json, name: string, context: FilterContext): NetworkFilterFactory;
}

/** Kinds by the name of their configuration message. */
export type NetworkFilterKinds = ReadonlyMap<string, NetworkFilterKind>;
