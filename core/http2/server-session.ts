/**
 * The server's side of a connection of HTTP/2: clients open streams, each for one request.
 *
 * Laws: a stream counts until our work for it has ended, not only until it was reset (CVE-2023-44487,
 * CVE-2025-8671). Numbers rise. What the heads of open streams hold is bounded for the connection as a whole.
 */
import type { Slab } from "../bytes/slab.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { ResponseHead } from "../http/head.ts";
import { OWN_FIELDS } from "../http/own-fields.ts";
import type { UnderscoreAction } from "../http/underscores.ts";
import { IGNORED_FIELDS } from "./field-section.ts";
import {
  EnableConnectProtocol,
  EnhanceYourCalm,
  LARGEST_STREAM,
  MaxConcurrentStreams,
  MaxHeaderListSize,
  NoError,
  ProtocolError,
  RefusedStream,
  StreamClosed,
} from "./frames.ts";
import type { FieldSink } from "./hpack/decoder.ts";
import type { Http2Limits } from "./limits.ts";
import { PREMATURE_MS, PREMATURE_RESETS, PrematureResets } from "./premature-resets.ts";
import { RequestSection } from "./request-section.ts";
import type { ServerStream } from "./server-stream.ts";
import { Session } from "./session.ts";
import type { SessionOwner } from "./stream-table.ts";

/** Who makes the streams. */
export interface ServerOwner extends SessionOwner {
  /** A stream for a new request; its `head` is filled next. */
  newStream(): ServerStream;
}

/** Names and values of all open requests of a connection, bytes. */
const MOST_HEAD_BYTES = 4 * 1024 * 1024;

/** Streams that come so long after the end was announced have not been on their way, ms. */
const MOST_DEAF_MS = 1000;

export class ServerSession extends Session {
  private readonly section: RequestSection;
  private readonly server: ServerOwner;
  private readonly maxStreams: number;
  /** No stream above this one is looked at. */
  private lastAccepted = LARGEST_STREAM;
  /** Since when, ms. */
  private closedAt = 0;
  private opening: ServerStream | null = null;
  private headBytes = 0;
  private readonly resets = new PrematureResets();

  constructor(
    owner: ServerOwner,
    slab: Slab,
    limits: Http2Limits,
    options: Http2ProtocolOptions,
    underscores: UnderscoreAction,
  ) {
    super(owner, slab, true, limits, options);
    this.server = owner;
    this.maxStreams = options.maxConcurrentStreams;
    this.section = new RequestSection(limits, options.allowConnect, underscores, owner.counts);
    this.greet([
      MaxConcurrentStreams,
      this.maxStreams,
      MaxHeaderListSize,
      limits.maxBytes,
      ...(options.allowConnect ? [EnableConnectProtocol, 1] : []),
    ]);
  }

  /** Announces that the connection ends; streams are taken on, for they may be on their way. */
  announceEnd(): void {
    if (this.lastAccepted === LARGEST_STREAM) this.goAway(LARGEST_STREAM, NoError);
  }

  /** No further stream is taken; the client hears why. */
  closeToNew(code: number): void {
    if (this.lastAccepted < LARGEST_STREAM) return;
    this.lastAccepted = this.lastStream;
    this.closedAt = this.owner.now;
    this.goAway(this.lastAccepted, code);
  }

  protected get lastFromPeer(): number {
    return Math.min(this.lastStream, this.lastAccepted);
  }

  protected isIdle(id: number): boolean {
    return id > this.lastStream || (id & 1) === 0;
  }

  protected override ignores(id: number): boolean {
    return id > this.lastAccepted || super.ignores(id);
  }

  protected headSink(id: number): FieldSink | null {
    this.opening = null;
    if ((id & 1) === 0) {
      this.fault(ProtocolError, "even_stream");
      return null;
    }
    if (id <= this.lastStream) {
      if (this.ignores(id)) return IGNORED_FIELDS;
      this.fault(StreamClosed, "headers_on_closed_stream");
      return null;
    }
    this.lastStream = id;
    if (id > this.lastAccepted) {
      // It will be tried elsewhere; a client that has had the time to hear of the end should not go on.
      if (this.owner.now - this.closedAt > MOST_DEAF_MS && !this.glitch("refused")) return null;
      this.expectIgnored(this.streamWindow);
      return IGNORED_FIELDS;
    }
    if (this.size >= this.maxStreams || this.headBytes > MOST_HEAD_BYTES) {
      this.refuse(id, RefusedStream, this.streamWindow);
      if (this.stopped || !this.glitch("refused")) return null;
      return IGNORED_FIELDS;
    }
    this.opening = this.server.newStream();
    this.section.begin(this.opening.head);
    return this.section;
  }

  protected onHead(id: number, endStream: boolean): void {
    const { opening: stream, section } = this;
    if (stream === null) return;
    this.opening = null;
    const fault = section.end();
    this.admit(stream, id);
    stream.headBytes = section.bytes;
    this.headBytes += section.bytes;
    stream.protocol = section.protocol;
    stream.contentLength = section.contentLength;
    if (section.tooMuch) {
      this.owner.counts.headerOverflow++;
      stream.onTooMuch(fault, endStream);
      if (!this.stopped) this.glitch("tooLarge");
    } else if (fault !== "" || (endStream && section.contentLength > 0)) {
      this.breakStream(stream, ProtocolError, fault || "content_length");
    } else {
      if (endStream) stream.remoteEnded = true;
      else stream.declare(section.contentLength);
      stream.onHead(endStream);
    }
  }

  /** Writes the head of an answer; returns its bytes. `length` is that of the body, -1 if it is not to be told. */
  sendAnswer(
    stream: ServerStream,
    status: number,
    head: ResponseHead,
    length: number,
    endStream: boolean,
  ): number {
    const { writer } = this;
    writer.beginHeaders();
    writer.pseudo(":status", String(status));
    writer.fields(head.fields, OWN_FIELDS);
    if (length >= 0) writer.length(length);
    return this.endHead(stream, endStream);
  }

  /** A request's stream is over: its head is forgotten. */
  forget(stream: ServerStream): void {
    this.headBytes -= stream.headBytes;
    stream.headBytes = 0;
    this.resets.over();
  }

  protected onEarlyReset(opened: number): void {
    if (this.owner.now - opened >= PREMATURE_MS || !this.resets.add()) return;
    this.fault(EnhanceYourCalm, PREMATURE_RESETS);
  }
}
