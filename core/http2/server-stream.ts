/** A request and its answer as a stream of a server's session. */
import { RequestHead, type ResponseHead } from "../http/head.ts";
import type { SectionFault } from "./field-section.ts";
import type { ServerSession } from "./server-session.ts";
import { SessionStream } from "./session-stream.ts";

export abstract class ServerStream extends SessionStream {
  declare protected readonly session: ServerSession;
  /** Of the request. */
  readonly head: RequestHead = new RequestHead();
  /** The protocol that an extended CONNECT asks for, or "". */
  protocol = "";
  /** Declared length of the request's body, -1 if there is none. */
  contentLength = -1;
  /** Names and values of the request's head, bytes. */
  headBytes = 0;

  get hasHead(): boolean {
    return true;
  }

  /** The request's head is complete and sound. */
  abstract onHead(endStream: boolean): void;
  /** The head is larger than it may be: `head` holds as much of it as was read. */
  abstract onTooMuch(fault: SectionFault, endStream: boolean): void;

  /**
   * Sends the head of an answer, an interim one as well, with that status; `length` is that of its body, -1 if it is not
   * to be told. Returns the bytes.
   */
  sendAnswer(status: number, head: ResponseHead, length: number, endStream: boolean): number {
    if (this.closed || this.localEnded) return 0;
    return this.session.sendAnswer(this, status, head, length, endStream);
  }

  override close(): void {
    super.close();
    this.session.forget(this);
  }
}
