/** Looks one parameter up in the query of a path. Nothing is decoded: the bytes that came are the bytes compared. */

/** The value of the first parameter of that name in `path`'s query; "" without "="; null if there is none. */
export function queryParameter(path: string, name: string): string | null {
  let at = path.indexOf("?");
  while (at >= 0) {
    const from = at + 1;
    at = path.indexOf("&", from);
    const end = at < 0 ? path.length : at;
    if (!path.startsWith(name, from)) continue;
    const after = from + name.length;
    if (after === end) return "";
    if (after < end && path.charCodeAt(after) === 0x3d) return path.slice(after + 1, end);
  }
  return null;
}
