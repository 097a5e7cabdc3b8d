/** Takes what a parser reports and only counts it. */
import type { Fault } from "../../../core/errors.ts";
import type { MessageSink } from "../../../core/http1/message-parser.ts";

export class SilentSink implements MessageSink {
  heads = 0;
  bodyBytes = 0;
  ends = 0;

  onHead(): void {
    this.heads++;
  }

  onBody(_bytes: Uint8Array, start: number, end: number): void {
    this.bodyBytes += end - start;
  }

  onMessageEnd(): void {
    this.ends++;
  }

  onFault(fault: Fault): void {
    throw new Error(`a bench's own message is refused: ${fault.code}`);
  }
}
