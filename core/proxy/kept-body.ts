/**
 * The body of a request as far as it may still be needed here: it waits for an upstream, or is kept in case another
 * try has to send it again. Made when there is some; most requests need none.
 *
 * Law: it is bounded. What waits beyond the limit pauses the client; what is kept beyond it is forgotten, and only
 * the chance of another try is lost.
 */
import { Body, type BodySink } from "../filter/body.ts";
import type { RouteEntry } from "../route/route-entry.ts";
import { PausedByBuffer, type Pressure } from "./pressure.ts";
import type { Stream } from "./stream.ts";

export class KeptBody extends Body {
  private readonly limit: number;
  private readonly waitingLimit: number;
  private readonly pressure: Pressure;

  /** Bytes that may be kept for another try, and that may wait; `pressure` is the client's. */
  constructor(limit: number, waitingLimit: number, pressure: Pressure) {
    super();
    this.limit = limit;
    this.waitingLimit = waitingLimit;
    this.pressure = pressure;
  }

  /** As large as the route or the listener lets it be. `share`: the cluster's limit, 0 for none. */
  static of({ manager, connection }: Stream, route: RouteEntry, share: number): KeptBody {
    const limit = route.perRequestBufferLimitBytes ?? manager.bufferLimit;
    // What waits goes to one upstream connection at once: the cluster has a say, too. Over HTTP/2, where a client has many
    // streams, its windows bound what waits: nothing is given back before it has left.
    const waiting = connection.http2 ? 0 : Math.min(limit, share || limit);
    return new KeptBody(limit, waiting, connection.pressure);
  }

  /** Takes a piece that no upstream has been sent. */
  wait(bytes: Uint8Array, start: number, end: number): void {
    this.push(bytes, start, end);
    if (this.size > this.waitingLimit) this.pressure.press(PausedByBuffer);
  }

  /** Keeps a piece that was sent. Returns false if that was too much: then nothing is here any more. */
  keep(bytes: Uint8Array, start: number, end: number): boolean {
    this.push(bytes, start, end);
    if (this.size <= this.limit) return true;
    this.clear();
    return false;
  }

  /** Sends all of it, and forgets it unless another try may come (`again`). */
  sendTo(connection: BodySink, again: boolean): void {
    this.replay(connection);
    if (!again) this.clear();
    this.pressure.release(PausedByBuffer);
  }
}
