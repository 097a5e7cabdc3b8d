/** The first value of a header: what Envoy takes where one value is asked for (formats, cluster and host headers). */
import type { Fields } from "./fields.ts";

/** The first value of a lower-case name, or a pseudo header's; "host" is the authority. Null if there is none. */
export function firstValue(
  head: { readonly fields: Fields; get(name: string): string | null } | null,
  name: string,
): string | null {
  if (head === null) return null;
  if (name === "host") return head.get(":authority");
  return name.charCodeAt(0) === 0x3a ? head.get(name) : firstField(head.fields, name);
}

/** The first value of a lower-case name in a section, or null. */
export function firstField(fields: Fields | null, name: string): string | null {
  if (fields === null) return null;
  const slot = fields.slotOf(name, 0);
  return slot < 0 ? null : fields.valueAt(slot);
}
