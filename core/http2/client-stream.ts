/** A request and its answer as a stream of a client's session. */
import { ResponseHead } from "../http/head.ts";
import { SessionStream } from "./session-stream.ts";

export abstract class ClientStream extends SessionStream {
  /** The head of the answer, or of an interim one. */
  readonly answer: ResponseHead = new ResponseHead();
  /** The final head has come. */
  answered = false;
  /** The request was HEAD: what the answer declares is not sent. */
  toHead = false;

  /** Interim answers so far. */
  interims = 0;

  get hasHead(): boolean {
    return this.answered;
  }

  /** `answer` is an interim one. */
  abstract onInformational(): void;
  /** `answer` is the final one; it declares that length, -1 for none. With `endStream`, `onEnd` follows. */
  abstract onHead(contentLength: number, endStream: boolean): void;
}
