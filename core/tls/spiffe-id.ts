/**
 * SPIFFE IDs (the SPIFFE-ID standard, section 2): `spiffe://trust-domain/path`. Scheme and trust domain are compared
 * without case, the path with it.
 */
import { lowerCase } from "../bytes/ascii.ts";

/** One identity. */
export interface SpiffeId {
  /** Lower case. */
  readonly trustDomain: string;
  /** With its leading "/"; "" for the trust domain itself. */
  readonly path: string;
}

/** Bytes, as the standard says at least. */
const MAX_ID = 2048;
const MAX_TRUST_DOMAIN = 255;

/** True if the name is one of a trust domain (lower case). */
export function isTrustDomain(name: string): boolean {
  return name.length <= MAX_TRUST_DOMAIN && /^[a-z0-9._-]+$/.test(name);
}

/** True if the URI claims to be a SPIFFE ID, well-formed or not. */
export function claimsSpiffe(uri: string): boolean {
  return /^spiffe:/i.test(uri);
}

/** The identity that the URI is, or null: no percent-encoding, query, fragment, port, user or empty segment. */
export function readSpiffeId(uri: string): SpiffeId | null {
  if (uri.length > MAX_ID || lowerCase(uri.slice(0, 9)) !== "spiffe://") return null;
  const slash = uri.indexOf("/", 9);
  const trustDomain = lowerCase(slash < 0 ? uri.slice(9) : uri.slice(9, slash));
  const path = slash < 0 ? "" : uri.slice(slash);
  if (!isTrustDomain(trustDomain)) return null;
  for (const segment of path.split("/").slice(1))
    if (!/^[a-zA-Z0-9._-]+$/.test(segment) || segment === "." || segment === "..") return null;
  return { trustDomain, path };
}
