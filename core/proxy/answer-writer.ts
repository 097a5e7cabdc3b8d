/**
 * Writes one answer at a time to a client: decides how this client can be told where the body ends, and keeps to
 * that decision. It knows framing and nothing of streams, routes or the life of the connection.
 *
 * Laws: what the head declares is what is delivered; a body for which no framing is left ends with the connection.
 */
import type { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByClose, ByLength, type Framing, NoBody } from "../http/framing.ts";
import type { ResponseHead } from "../http/head.ts";
import { Close, type HeadWriter, LAST_CHUNK, type NameCase, Persistent } from "../http1/head-writer.ts";
import type { Socket } from "../io/socket.ts";

/** Where the bytes written are counted. */
export interface SentBytes {
  downstreamCxTxBytesTotal: number;
}

export class AnswerWriter {
  /** How the body of the current answer ends. */
  framing: Framing = NoBody;
  private readonly socket: Socket;
  private readonly writer: HeadWriter;
  private readonly nameCase: NameCase;
  private readonly sent: SentBytes;
  private firstChunk = true;

  constructor(socket: Socket, writer: HeadWriter, nameCase: NameCase, sent: SentBytes) {
    this.socket = socket;
    this.writer = writer;
    this.nameCase = nameCase;
    this.sent = sent;
  }

  /** True if only the end of the connection will end the answer. */
  get endsWithConnection(): boolean {
    return this.framing === ByClose || this.framing === AsTunnel;
  }

  /** An interim response. */
  informational(head: ResponseHead): void {
    this.writer.response(head, NoBody, -1, "", Persistent, this.nameCase);
    this.writeHead();
  }

  /**
   * Chooses the framing towards the client. `source` and `length` say how the body is delimited where it comes
   * from; `bodiless` that the request was HEAD. `chunksAllowed` is false for HTTP/1.0.
   */
  choose(
    head: ResponseHead,
    source: Framing,
    endOfStream: boolean,
    bodiless: boolean,
    chunksAllowed: boolean,
  ): void {
    const { status } = head;
    if (source === AsTunnel) this.framing = AsTunnel;
    else if (bodiless || status < 200 || status === 204 || status === 304) this.framing = NoBody;
    else if (source === ByLength || endOfStream) this.framing = ByLength;
    else this.framing = chunksAllowed ? ByChunks : ByClose;
    this.firstChunk = true;
  }

  /** Writes the head; returns its length in bytes. `length` is the body's, or -1 if it is not known. */
  head(head: ResponseHead, length: number, upgrade: string, close: boolean): number {
    const { status } = head;
    let declared = -1;
    if (this.framing === ByLength) declared = Math.max(length, 0);
    else if (this.framing === NoBody && status >= 200 && status !== 204) declared = length;
    const connection = close && this.framing !== AsTunnel ? Close : Persistent;
    this.writer.response(head, this.framing, declared, upgrade, connection, this.nameCase);
    return this.writeHead();
  }

  body(bytes: Uint8Array, start: number, end: number): void {
    if (this.framing === NoBody) return;
    if (this.framing === ByChunks) {
      this.writer.chunkLine(end - start, this.firstChunk);
      this.firstChunk = false;
      this.writeHead();
    }
    this.write(bytes, start, end);
  }

  /** The body is complete; in a tunnel the upstream sent FIN. */
  end(trailers: Fields | null): void {
    if (this.framing === ByChunks) {
      if (this.firstChunk && (trailers === null || trailers.count === 0)) {
        this.write(LAST_CHUNK, 0, LAST_CHUNK.length);
      } else {
        this.writer.lastChunk(trailers, this.firstChunk, this.nameCase);
        this.writeHead();
      }
    } else if (this.framing === AsTunnel) this.socket.end();
  }

  private writeHead(): number {
    const { bytes, start, end } = this.writer;
    this.write(bytes, start, end);
    return end - start;
  }

  private write(bytes: Uint8Array, start: number, end: number): void {
    this.sent.downstreamCxTxBytesTotal += end - start;
    this.socket.write(bytes, start, end);
  }
}
