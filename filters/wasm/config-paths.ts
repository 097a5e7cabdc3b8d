/**
 * Paths into what the configuration says: messages by the names of their fields, values of a `Struct` by key and
 * place. Answers what a property is (property-tree.ts).
 */
import type { Json, Locality, Metadata, Node } from "../../core/config/model.ts";
import { encodeJson, encodeLocality, encodeMetadata, encodeNode, NO_PAIRS } from "./property-encoding.ts";
import type { PropertyValue } from "./property-tree.ts";

/** What we call ourselves where Envoy says "envoy". */
const AGENT = "tulle";

const FILTER_METADATA = "filter_metadata";
const INDEX = /^\d{1,9}$/;

/** The part of `path` behind its first segment, "" if there is none. */
function rest(path: string): string {
  const at = path.indexOf("\0");
  return at < 0 ? "" : path.slice(at + 1);
}

function first(path: string): string {
  const at = path.indexOf("\0");
  return at < 0 ? path : path.slice(0, at);
}

/** The value at `path` below `json`; the whole if it is "". */
function findJson(json: Json, path: string): PropertyValue {
  let value = json;
  for (let left = path; left !== ""; left = rest(left)) {
    const key = first(left);
    if (typeof value !== "object" || value === null) return null;
    if (Array.isArray(value)) {
      if (!INDEX.test(key) || Number(key) >= value.length) return null;
      value = (value as readonly Json[])[Number(key)];
    } else {
      if (!Object.hasOwn(value, key)) return null;
      value = (value as { readonly [key: string]: Json })[key];
    }
  }
  return encodeJson(value);
}

/** Below a message `Metadata`; `path` "" is the whole. */
export function findMetadata(metadata: Metadata, path: string): PropertyValue {
  if (path === "") return encodeMetadata(metadata);
  const name = first(path);
  if (name === FILTER_METADATA) return findJson(metadata, rest(path));
  return path === "typed_filter_metadata" ? NO_PAIRS : null;
}

/** Below a message `Locality`. */
export function findLocality(locality: Locality, path: string): PropertyValue {
  switch (path) {
    case "":
      return encodeLocality(locality);
    case "region":
      return locality.region;
    case "zone":
      return locality.zone;
    case "sub_zone":
      return locality.subZone;
    default:
      return null;
  }
}

/** Below the message `Node`. */
export function findNode(node: Node, path: string): PropertyValue {
  if (path === "") return encodeNode(node, AGENT);
  const name = first(path);
  if (name === "metadata") return findJson(node.metadata, rest(path));
  if (name === "locality") return findLocality(node.locality, rest(path));
  switch (path) {
    case "id":
      return node.id;
    case "cluster":
      return node.cluster;
    case "user_agent_name":
      return AGENT;
    default:
      return null;
  }
}
