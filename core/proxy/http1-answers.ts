/**
 * What a connection of HTTP/1 says to its client: how each answer is framed for it, and whether the connection goes on
 * behind it. What it reads, and what becomes of it, is in the connection, which extends this.
 *
 * Law: whether the connection goes on is decided before the head of an answer leaves, and said in it.
 */

import type { Fault } from "../errors.ts";
import type { Fields } from "../http/fields.ts";
import { ByClose, ByLength, type Framing, NoBody } from "../http/framing.ts";
import { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import type { MessageSink } from "../http1/message-parser.ts";
import { RequestParser } from "../http1/request-parser.ts";
import type { Socket } from "../io/socket.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { ConnectionLife, Open } from "./connection-life.ts";
import { type ConnectionManager, Http1, type Spoken } from "./connection-manager.ts";
import type { ConnectionOwner } from "./connection-owner.ts";
import type { Services } from "./services.ts";

const DATE = known("date");

export abstract class Http1Answers extends ConnectionLife implements MessageSink {
  readonly http2 = false;
  readonly protocol = "";
  readonly parser: RequestParser;
  /** For answers made here. */
  readonly localHead: ResponseHead = new ResponseHead();
  protected readonly answer: AnswerWriter;
  /** The client speaks HTTP/1.0, so nothing chunked and no second request. */
  protected http10 = false;
  protected lastRequest = false;
  /** The client said `connection: close`. */
  protected heardLast = false;
  /** The parser is on the stack: it goes on with the next request by itself. */
  protected parsing = false;

  constructor(manager: ConnectionManager, services: Services, socket: Socket, owner: ConnectionOwner) {
    super(manager, services, socket, owner);
    this.parser = new RequestParser(
      this,
      manager.limits,
      manager.config.common.headersWithUnderscoresAction,
      services.copied,
      services.http1,
    );
    this.answer = new AnswerWriter(socket, services.writer, manager.nameCase, manager.stats);
  }

  abstract onHead(): void;
  abstract onBody(bytes: Uint8Array, start: number, end: number): void;
  abstract onMessageEnd(): void;
  abstract onFault(fault: Fault): void;

  get spoken(): Spoken {
    return Http1;
  }

  /** What the stream sees of the request. */
  get message(): RequestParser {
    return this.parser;
  }

  /** Row C6: trailers go on, either way, only where the listener enables them. */
  get passesTrailers(): boolean {
    return this.manager.config.http1.enableTrailers;
  }

  get endsWithAnswer(): boolean {
    return this.closing;
  }

  /** What is written goes straight to the client. */
  get direct(): number {
    return this.socket.direct === true ? Number.POSITIVE_INFINITY : 0;
  }

  protected get endsWithUs(): boolean {
    return this.answer.framing === ByClose;
  }

  /** The current answer is the last one. Takes effect in its head if that is not written yet. */
  closeAfter(): void {
    this.closing = true;
  }

  /** The client said that this request is its last one. */
  clientCloses(): void {
    this.closing = true;
    this.heardLast = true;
  }

  /** An interim response; HTTP/1.0 clients never get one (row E1). */
  writeInformational(head: ResponseHead): void {
    if (!this.http10 && this.state === Open) this.answer.informational(head);
  }

  /**
   * The head of the answer. `framing` and `length` (-1 = unknown) say how the source delimits the body; `toHead`
   * that there is none although the head may declare one. Returns the bytes written.
   */
  writeHead(
    head: ResponseHead,
    framing: Framing,
    length: number,
    endOfStream: boolean,
    toHead: boolean,
    upgrade: string,
  ): number {
    if ((this.owner.draining || this.services.closing) && !this.closing && upgrade === "") {
      this.manager.stats.downstreamCxDrainClose++;
      this.closing = true;
    }
    if (!head.fields.hasId(DATE)) head.fields.addId(DATE, this.services.date.now());
    const { answer } = this;
    answer.choose(head, framing, endOfStream, toHead, !this.http10);
    const noMore = this.peerEnded && !this.parsing && this.parser.restLength === 0;
    if (this.http10 || this.lastRequest || noMore || answer.framing === ByClose) this.closing = true;
    const declared = framing === ByLength || framing === NoBody ? length : endOfStream && !toHead ? 0 : -1;
    return answer.head(head, declared, upgrade, this.closing && upgrade === "");
  }

  writeBody(bytes: Uint8Array, start: number, end: number): void {
    this.answer.body(bytes, start, end);
  }

  /** The answer is complete. */
  writeEnd(trailers: Fields | null): void {
    this.answer.end(trailers);
  }
}
