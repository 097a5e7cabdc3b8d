/**
 * The answer of a stream on its last steps to the client: what every answer carries is added, it is written, and
 * what its head says about the connection is kept; whatever moves restarts the patience with a silent stream. Where
 * the answer comes from, and what it passed on the way, is the stream's business, which extends this.
 */
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByLength, type Framing, NoBody } from "../http/framing.ts";
import { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { allowedTrailers } from "../http/trailers.ts";
import type { ConnectionManager } from "./connection-manager.ts";
import type { DownstreamExchange } from "./downstream-exchange.ts";
import { StreamRecord } from "./stream-record.ts";
import { MAX_HALF_CLOSED_MS } from "./stream-timers.ts";

const EXPECT = known("expect");
const SERVER = known("server");
const REQUEST_ID = known("x-request-id");
const FORCE_TRACE = known("x-envoy-force-trace");
const VIA = known("via");

/** How much of an answered request is read and thrown away, bytes. */
export const MAX_DISCARDED_BYTES = 64 * 1024;

export class StreamAnswer extends StreamRecord {
  readonly manager: ConnectionManager;
  /** The client asked for a head alone, whatever a filter makes of its method. */
  readonly toHead: boolean;
  /** The protocol to switch to, lower case, "connect" for CONNECT, or "". */
  upgrade = "";
  /** The client waits for a 100 before it sends the body. */
  expects100 = false;
  protected requestEnded = false;
  protected done = false;
  protected tunnelOpen = false;
  /** The rest of the request is read and thrown away after the answer. */
  protected discards = false;

  constructor(connection: DownstreamExchange) {
    super(connection);
    this.manager = connection.manager;
    this.toHead = this.request.method === "HEAD";
  }

  /** Restarts the stream idle timeout: something moved. */
  touch(): void {
    const { connection } = this;
    const { services, timers } = connection;
    const idle = this.idleTimeout || (connection.mayBeGone ? MAX_HALF_CLOSED_MS : 0);
    if (idle > 0) services.timers.arm(timers.idle, services.clock.now + idle);
    else services.timers.cancel(timers.idle);
  }

  protected get idleTimeout(): number {
    return this.route?.action?.idleTimeout ?? this.manager.config.streamIdleTimeout;
  }

  /** Begins to count the time of a request whose head is here. */
  protected armTimers(endOfStream: boolean): void {
    const { config } = this.manager;
    const { services, timers } = this.connection;
    this.touch();
    if (config.requestTimeout > 0 && !endOfStream)
      services.timers.arm(timers.request, this.started + config.requestTimeout);
    if (config.common.maxStreamDuration > 0)
      services.timers.arm(timers.duration, this.started + config.common.maxStreamDuration);
  }

  /** The head of the answer is on its way to the client: nothing else can be said any more. */
  protected get answering(): boolean {
    return this.responseStarted >= 0;
  }

  /** An interim response of the upstream. */
  sendInformational(head: ResponseHead): void {
    if (this.done || this.response !== null) return;
    if (head.status === 100 && !this.expects100) return; // ours to swallow: the client did not ask
    head.fields.removeId(SERVER);
    this.connection.writeInformational(head);
  }

  /** A filter waits for the body, and the client for a 100, which the upstream cannot give yet. */
  continueNow(): void {
    const head = new ResponseHead();
    head.status = 100;
    this.sendInformational(head);
    this.expects100 = false;
    this.request.fields.removeId(EXPECT);
  }

  /** The upstream is done with an answer that a filter still holds: its connection will need the head again. */
  keepAnswer(): void {
    if (this.response !== null) this.response = this.response.copy();
  }

  /** Adds what every answer carries and writes the head; `framing` and `length` say how the body is delimited. */
  writeHead(head: ResponseHead, framing: Framing, length: number, endOfStream: boolean): void {
    const { manager, connection } = this;
    const { config } = manager;
    this.responseStarted = this.elapsed();
    this.touch();
    const fields = head.fields;
    if (config.serverHeaderTransformation === "OVERWRITE") fields.setId(SERVER, config.serverName);
    else if (config.serverHeaderTransformation === "APPEND_IF_ABSENT" && !fields.hasId(SERVER)) {
      fields.addId(SERVER, config.serverName);
    }
    if (config.via !== "") {
      const before = fields.getId(VIA);
      fields.setId(VIA, before === null ? `1.1 ${config.via}` : `${before}, 1.1 ${config.via}`);
    }
    if (config.alwaysSetRequestIdInResponse || this.request.fields.hasId(FORCE_TRACE)) {
      const id = this.request.fields.getId(REQUEST_ID);
      if (id !== null) fields.setId(REQUEST_ID, id);
    }
    // Row E5: an upstream that answers early leaves the client's framing in doubt.
    if (!this.requestEnded && !this.discards && !this.requestIsEmpty() && framing !== AsTunnel) {
      connection.closeAfter();
    }
    const upgrade = framing === AsTunnel && head.status === 101 ? this.upgrade : "";
    this.headerBytesSent = connection.writeHead(head, framing, length, endOfStream, this.toHead, upgrade);
    if (framing === AsTunnel) {
      this.tunnelOpen = true;
      this.requestEnded = false;
      connection.enterTunnel();
    }
  }

  writeBody(bytes: Uint8Array, start: number, end: number): void {
    this.bytesSent += end - start;
    this.touch();
    this.connection.writeBody(bytes, start, end);
  }

  /** What may go on of trailers, if the client's connection has any use for them. */
  protected passTrailers(trailers: Fields | null, head: Fields): Fields | null {
    if (trailers === null || trailers.count === 0 || !this.connection.passesTrailers) return null;
    return allowedTrailers(trailers, head);
  }

  protected requestIsEmpty(): boolean {
    const { framing, contentLength } = this.connection.message;
    return framing === NoBody || (framing === ByLength && contentLength === 0);
  }

  /** A refused request whose rest is known to be small costs no connection; one that waits for a 100 does. */
  protected mayDiscard(): boolean {
    const { endsWithAnswer, message } = this.connection;
    if (endsWithAnswer || this.expects100) return false;
    return message.framing === ByChunks || message.contentLength <= MAX_DISCARDED_BYTES;
  }
}
