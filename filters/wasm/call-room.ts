/**
 * Bytes that the calls of one VM hold in the host, of HTTP and of gRPC together: heads, bodies and messages that wait,
 * answers that are not whole. What does not fit is not called, or ends.
 *
 * Law: whoever takes gives the same back, once, when the bytes are gone.
 */
import type { RequestHead } from "../../core/http/head.ts";

const ROOM = 16 * 1024 * 1024;
/** Bytes of a call's head, names and values. */
export const MAX_CALL_HEAD: number = 60 * 1024;
/** What a field takes beside its bytes. */
const FIELD_COST = 32;

/** What it costs a guest to begin a call, as bytes of the host's work: some ten microseconds. */
export const CALL_WORK: number = 64 * 1024;
/** To send a message. */
export const MESSAGE_WORK = 2048;

export class CallRoom {
  private left = ROOM;

  /** False if there is not so much. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.left += bytes;
  }
}

/** What a head counts for, bytes. */
export function bytesOfHead({ method, path, authority, fields }: RequestHead): number {
  let bytes = method.length + path.length + authority.length;
  fields.forEach((name, value) => {
    bytes += name.length + value.length + FIELD_COST;
  });
  return bytes;
}
