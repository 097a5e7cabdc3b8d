/**
 * One HTTP request of a guest: what it holds of the VM's room, and whom its answer is for.
 *
 * Law: the room is given back before the guest hears, or when the call is given up.
 */
import type { Callout, CalloutSink } from "../../core/filter/callout.ts";
import type { Fields } from "../../core/http/fields.ts";
import type { ResponseHead } from "../../core/http/head.ts";
import type { RootContext } from "./root-context.ts";

export class HttpCall implements CalloutSink {
  private readonly root: RootContext;
  private readonly token: number;
  private bytes: number;
  /** Of its answer. */
  private held = 0;
  private callout: Callout | null = null;

  /** `bytes`: of the request, taken from the root's room. */
  constructor(root: RootContext, token: number, bytes: number) {
    this.root = root;
    this.token = token;
    this.bytes = bytes;
  }

  /** It is under way. */
  begin(callout: Callout): void {
    this.callout = callout;
  }

  mayHold(bytes: number): boolean {
    if (this.root.room.take(bytes)) {
      this.held += bytes;
      return true;
    }
    // The answer is thrown away: others may still become whole.
    this.root.room.give(this.held);
    this.held = 0;
    return false;
  }

  onAnswer(head: ResponseHead, body: Uint8Array, trailers: Fields | null): void {
    this.leave();
    this.root.onAnswer(this.token, head, body, trailers);
  }

  /** Nobody hears of it. */
  cancel(): void {
    this.callout?.cancel();
    this.leave();
  }

  /** Gives its room back. */
  leave(): void {
    this.root.room.give(this.bytes + this.held);
    this.bytes = 0;
    this.held = 0;
  }
}
