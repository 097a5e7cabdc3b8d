/** Addresses, CIDR ranges and localities of the API → the model's. */
import { utf8ByteString } from "../bytes/ascii.ts";
import type { CidrRange, Locality } from "../config/model.ts";
import type { Address } from "../io/socket.ts";
import type {
  Address as AddressMessage,
  CidrRange as CidrRangeMessage,
  SocketAddress,
} from "./generated/envoy/config/core/v3/address_pb.ts";
import type { Locality as LocalityMessage } from "./generated/envoy/config/core/v3/base_pb.ts";
import { bitsOf, canonicalIp } from "./ip-address.ts";
import type { Reader } from "./reader.ts";

const NOWHERE: Address = { ip: "", port: 0, path: "" };

/** Reads an address. `hostnames` says whether a name may stand where an IP is expected (DNS clusters). */
export function readAddress(reader: Reader<AddressMessage> | null, hostnames: boolean): Address {
  if (reader === null) return NOWHERE;
  const chosen = reader.oneof("address");
  switch (chosen.case) {
    case "socketAddress":
      return readSocketAddress(chosen.value, hostnames);
    case "pipe": {
      const path = chosen.value.take("path");
      if (path.length > 107) chosen.value.fault("path", "must be at most 107 bytes");
      return { ip: "", port: 0, path };
    }
    case undefined:
      return NOWHERE;
    default:
      reader.refuseOneof(chosen);
      return NOWHERE;
  }
}

function readSocketAddress(reader: Reader<SocketAddress>, hostnames: boolean): Address {
  reader.choice("protocol", ["TCP"]);
  const written = reader.take("address");
  let ip = canonicalIp(written);
  if (ip === "" && written !== "") {
    if (!hostnames) reader.fault("address", `must be an IP address, not ${JSON.stringify(written)}`);
    else if (!isHostname(written)) reader.fault("address", `is no host name: ${JSON.stringify(written)}`);
    ip = utf8ByteString(written);
  }
  const chosen = reader.oneof("portSpecifier");
  if (chosen.case === "portValue") return { ip, port: chosen.value, path: "" };
  if (chosen.case === "namedPort") reader.refuseOneof(chosen);
  return { ip, port: 0, path: "" };
}

/** Letters, digits, "-", "_" and dots, as resolvers take them; at most 253 characters. */
function isHostname(text: string): boolean {
  return text.length <= 253 && /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?$/.test(text);
}

/** Reads a range; host bits below the prefix are kept as written. */
export function readCidrRange(reader: Reader<CidrRangeMessage>): CidrRange {
  const written = reader.take("addressPrefix");
  const ip = canonicalIp(written);
  if (ip === "" && written !== "") {
    reader.fault("addressPrefix", `must be an IP address, not ${JSON.stringify(written)}`);
  }
  const prefixLength = reader.number("prefixLen", 0);
  if (ip !== "" && prefixLength > bitsOf(ip)) reader.fault("prefixLen", `must be at most ${bitsOf(ip)}`);
  return { ip, prefixLength };
}

/** Reads where something is; unset is three empty texts. */
export function readLocality(reader: Reader<LocalityMessage> | null): Locality {
  if (reader === null) return { region: "", zone: "", subZone: "" };
  return { region: reader.text("region"), zone: reader.text("zone"), subZone: reader.text("subZone") };
}
