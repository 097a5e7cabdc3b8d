/**
 * The client's side of a connection of HTTP/2: we open streams, each for one request. The peer is trusted no more than a
 * client is: it may send what it likes, when it likes.
 *
 * Laws: no stream is opened that the peer does not bear. A request that the peer has not looked at (GOAWAY,
 * REFUSED_STREAM) is told apart from one that was cut: it can be tried again, whatever it is.
 */
import type { Slab } from "../bytes/slab.ts";
import type { Http2ProtocolOptions } from "../config/model.ts";
import type { RequestHead } from "../http/head.ts";
import { OWN_FIELDS } from "../http/own-fields.ts";
import type { ClientStream } from "./client-stream.ts";
import { IGNORED_FIELDS } from "./field-section.ts";
import { EnablePush, LARGEST_STREAM, NoError, ProtocolError, RefusedStream, StreamClosed } from "./frames.ts";
import type { FieldSink } from "./hpack/decoder.ts";
import type { Http2Limits } from "./limits.ts";
import { ResponseSection } from "./response-section.ts";
import { Session } from "./session.ts";
import type { SessionOwner } from "./stream-table.ts";

/** Interim answers to one request (row E1). */
const MOST_INTERIMS = 16;

export class ClientSession extends Session {
  protected readonly lastFromPeer = 0;
  private readonly section: ResponseSection;
  private reading: ClientStream | null = null;
  /** The peer takes no more streams, or we open none. */
  private ending = false;

  constructor(owner: SessionOwner, slab: Slab, limits: Http2Limits, options: Http2ProtocolOptions) {
    super(owner, slab, false, limits, options);
    this.section = new ResponseSection(limits);
    this.writer.preface();
    this.output.flush();
    this.greet([EnablePush, 0]);
  }

  /** How many more streams may be opened now. */
  get room(): number {
    if (this.ending || this.stopped || this.lastStream > LARGEST_STREAM - 4) return 0;
    return Math.max(0, this.peer.maxStreams - this.size);
  }

  /**
   * Opens a stream for a request and writes its head; returns the bytes. `protocol`: of an extended CONNECT, or "";
   * `length`: of the body, -1 if it is not to be told; `te`: "te: trailers" is sent.
   */
  sendRequest(
    stream: ClientStream,
    head: RequestHead,
    protocol: string,
    length: number,
    te: boolean,
    endStream: boolean,
  ): number {
    const { writer } = this;
    const { secrets } = head.fields;
    this.admit(stream, this.lastStream === 0 ? 1 : this.lastStream + 2);
    writer.beginHeaders();
    const connect = protocol !== "" || head.method === "CONNECT";
    writer.pseudo(":method", connect ? "CONNECT" : head.method);
    if (protocol !== "") writer.pseudo(":protocol", protocol);
    if (protocol !== "" || !connect) {
      writer.pseudo(":scheme", head.scheme);
      writer.pseudo(":path", head.path, secrets);
    }
    writer.pseudo(":authority", head.authority, secrets);
    writer.fields(head.fields, OWN_FIELDS);
    if (te) writer.pseudo("te", "trailers");
    if (length >= 0) writer.length(length);
    return this.endHead(stream, endStream);
  }

  /** No stream is opened any more; the peer is told. */
  close(): void {
    if (this.ending || this.stopped) return;
    this.ending = true;
    this.goAway(0, NoError);
  }

  protected isIdle(id: number): boolean {
    return id > this.lastStream || (id & 1) === 0;
  }

  protected headSink(id: number): FieldSink | null {
    const stream = this.streams.get(id) as ClientStream | undefined;
    this.reading = stream ?? null;
    if (stream === undefined) {
      if (this.isIdle(id)) {
        this.fault(ProtocolError, "answer_without_request");
        return null;
      }
      if (this.ignores(id)) return IGNORED_FIELDS;
      this.fault(StreamClosed, "headers_on_closed_stream");
      return null;
    }
    this.section.begin(stream.answer);
    return this.section;
  }

  protected onHead(_id: number, endStream: boolean): void {
    const { reading: stream, section } = this;
    this.reading = null;
    if (stream === null) return;
    const fault = section.end();
    if (fault !== "") {
      if (section.tooMuch) this.owner.counts.headerOverflow++;
      this.breakStream(stream, ProtocolError, fault);
      return;
    }
    const { status } = stream.answer;
    if (status < 200) {
      if (endStream) this.breakStream(stream, ProtocolError, "interim_answer_ends");
      else if (++stream.interims > MOST_INTERIMS)
        this.breakStream(stream, ProtocolError, "too_many_informational");
      else stream.onInformational();
      return;
    }
    stream.answered = true;
    const empty = stream.toHead || status === 204 || status === 304;
    const length = empty ? 0 : section.contentLength;
    if (endStream && length > 0) {
      this.breakStream(stream, ProtocolError, "content_length");
      return;
    }
    if (!endStream) stream.declare(length);
    stream.onHead(section.contentLength, endStream);
    if (endStream && !stream.closed) this.remoteEnd(stream, null);
  }

  protected onEarlyReset(): void {}

  override onGoAway(lastStream: number, code: number, debug: string): void {
    this.ending = true;
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastStream) continue;
      this.cut(stream, RefusedStream, "");
    }
    super.onGoAway(lastStream, code, debug);
  }
}
