/** Foreign functions: what a host offers beyond the ABI, by name. */
import { Status } from "./abi";
import { allocate } from "./arena";
import { proxy_call_foreign_function } from "./env";
import { Slice } from "./slice";

/** The answer; null if the host does not know the function or it failed. */
export function callForeign(name: Slice, argument: Slice = Slice.empty): Slice | null {
  const slice = changetype<Slice>(allocate(offsetof<Slice>()));
  slice.ptr = 0;
  slice.length = 0;
  const status = proxy_call_foreign_function(
    name.ptr,
    name.length,
    argument.ptr,
    argument.length,
    changetype<usize>(slice) + offsetof<Slice>("ptr"),
    changetype<usize>(slice) + offsetof<Slice>("length"),
  );
  return status === Status.Ok ? slice : null;
}
