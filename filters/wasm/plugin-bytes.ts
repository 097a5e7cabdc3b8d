/**
 * A configuration that is meant for a guest: a packed message → the bytes that the guest reads. A text and bytes are
 * passed as they are, a Struct as JSON, as Envoy's API says; Envoy 1.40 itself passes a Struct in its encoded form, so
 * who writes for both gives a text. Any other message reaches a guest encoded there and is refused here: what comes
 * from a file is never encoded.
 */
import { toBytes, utf8ByteString } from "../../core/bytes/ascii.ts";
import type { JsonSection } from "../json-section.ts";

const NOTHING = new Uint8Array(0);

/** Reads a `google.protobuf.Any`; null is an unset one. */
export function readPluginBytes(any: JsonSection | null): Uint8Array {
  const url = any?.text("@type") ?? "";
  if (any === null) return NOTHING;
  const bytes = readBytes(any, url.slice(url.lastIndexOf("/") + 1));
  any.finish();
  return bytes;
}

function readBytes(any: JsonSection, typeName: string): Uint8Array {
  switch (typeName) {
    case "":
      return NOTHING;
    case "google.protobuf.StringValue":
      return toBytes(any.text("value"));
    case "google.protobuf.BytesValue":
      return any.bytes("value");
    case "google.protobuf.Struct": {
      const json = any.take("value") ?? {};
      if (typeof json !== "object" || json === null || Array.isArray(json)) {
        any.fault("value", "must be an object");
        return NOTHING;
      }
      return toBytes(utf8ByteString(JSON.stringify(json)));
    }
    default:
      any.fault(
        "@type",
        `not implemented yet: ${typeName}; a guest is given a StringValue, BytesValue or Struct`,
      );
      any.inert(...any.keys());
      return NOTHING;
  }
}
