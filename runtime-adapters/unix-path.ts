/**
 * The file of a listening Unix socket. A socket left over from a dead process is removed before binding, as
 * Envoy does; anything that is not a socket is left alone, so that binding fails with EADDRINUSE.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";

/** Removes what a dead process left at `path`. Abstract names have no file. */
export function clearUnixPath(path: string): void {
  if (path.startsWith("@")) return;
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // Not there: good. Not removable: the bind that follows says so better.
  }
}

/** Sets permission bits; 0 leaves them. Throws what `chmod` throws. */
export function setUnixMode(path: string, mode: number): void {
  if (mode !== 0 && !path.startsWith("@")) chmodSync(path, mode);
}
