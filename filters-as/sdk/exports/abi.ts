/** What every module exports: the version of its ABI and the place for the host's bytes. */
import "../compiler-hooks";
import { allocate } from "../arena";

/** Never called: its name says which ABI this is. */
export function proxy_abi_version_0_2_1(): void {}

/** Room for exactly `size` bytes of the host's, until the next callback begins. */
export function proxy_on_memory_allocate(size: usize): usize {
  return allocate(size);
}
