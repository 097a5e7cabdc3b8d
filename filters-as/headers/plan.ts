/**
 * What is found out while a configuration is read: which message the operations at hand are about, and what must be
 * noted of the request for those of the response.
 */
import { Bytes } from "../sdk/sdk";
import { WrittenNames } from "./lines";

@final
export class Plan {
  /** True while the response's operations are read. */
  isResponse: bool = false;
  /** By the operations before the one that is being read. */
  written: WrittenNames = new WrittenNames();
  /** Headers whose values are noted; a place in this list is a slot in the notes. */
  readonly names: Bytes[] = [];

  /** From here on, the operations are the response's. */
  turnToResponse(): void {
    this.isResponse = true;
    this.written = new WrittenNames();
  }

  /** The slot for the value of a request's header. */
  note(name: Bytes): i32 {
    for (let i = 0; i < this.names.length; i++) if (this.names[i].view.equals(name.view)) return i;
    return this.names.push(name) - 1;
  }
}
