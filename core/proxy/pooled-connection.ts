/** A connection to an endpoint as its pool knows it, whatever version of HTTP it speaks. */
import type { Address, Socket } from "../io/socket.ts";
import type { Timer } from "../time/timers.ts";
import type { UpstreamBuffering } from "./connection-owner.ts";
import type { UpstreamExchange } from "./upstream-exchange.ts";

/** One that may not know yet which. */
export interface OpeningConnection extends UpstreamBuffering {
  /** Set by the pool once it dials. */
  socket: Socket | null;
  /** Where it goes; its endpoint may have moved on since (LOGICAL_DNS). */
  readonly address: Address;
  /** When it was opened, ms. */
  readonly started: number;
  /** Connect timeout while connecting, idle timeout while idle. */
  readonly timer: Timer;
  /** Requests carried so far. */
  readonly requests: number;
  /** While it connects: requests that it will be able to take. */
  readonly expectedRoom: number;
  /** It is among those that the pool offers. Only the pool changes it. */
  offered: boolean;
}

export interface PooledConnection extends OpeningConnection {
  /** Requests that it can take now. */
  readonly room: number;
  /** It is connected, and carries nothing. */
  readonly idle: boolean;
  /** An exchange for one request; only if there is room, and to be assigned at once. */
  take(): UpstreamExchange;
  /** Takes nothing more, and closes when what it carries is over. */
  drain(): void;
}

/** What became of a connection that is gone. */
export interface Closing {
  /** It was never connected. */
  readonly connecting: boolean;
  /** Requests were under way. */
  readonly busy: boolean;
  /** The peer closed it. */
  readonly remote: boolean;
  /** An errno, or "". */
  readonly reason: string;
}
