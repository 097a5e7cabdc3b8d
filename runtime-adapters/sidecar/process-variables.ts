/** The environment of the process as byte strings, as everything that may reach the wire is. */
import { utf8ByteString } from "../../core/bytes/ascii.ts";

/** Every variable, as it is now. */
export function processVariables(): { readonly [name: string]: string } {
  const entries = Object.entries(process.env).map(([name, value]) => [name, utf8ByteString(value ?? "")]);
  return Object.fromEntries(entries);
}
