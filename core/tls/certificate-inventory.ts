/**
 * Which certificates a listener or cluster shows and trusts, for operators: what they are, where they come from, when
 * they end. Judges nobody.
 *
 * Law: it never touches a private key.
 */
import { secretName } from "../config/secret-key.ts";
import type { CommonTls, Secret } from "../config/tls.ts";
import type { Certificate } from "./certificate.ts";
import { readAnchors } from "./peer-judge.ts";
import { secretsOf, validationOf } from "./tls-secrets.ts";

/** A certificate that is in use. */
export interface ListedCertificate {
  /** Of the secret that delivered it, "" if it stands in the configuration. */
  readonly secret: string;
  /** Where it was read, "" = in no file of its own. */
  readonly file: string;
  /** The trust domain that it speaks for (SPIFFE), "" = it is not said. */
  readonly trustDomain: string;
  readonly certificate: Certificate;
}

/** What one TLS context shows (the leaves) and trusts. */
export interface CertificateInventory {
  readonly shown: readonly ListedCertificate[];
  readonly trusted: readonly ListedCertificate[];
}

/** The certificates of a PEM; a reader may remember those that it has read. */
export type PemReader = (pem: string) => readonly Certificate[];

/** Reads PEM anew each time. What is wrong with it was said when the configuration was read. */
export const readPem: PemReader = (pem) => (pem === "" ? [] : readAnchors(pem, "", []));

/** Lists what is in force for `tls`; null while a secret is missing, and there is no context. */
export function inventoryOf(
  tls: CommonTls,
  secrets: ReadonlyMap<string, Secret>,
  read: PemReader = readPem,
): CertificateInventory | null {
  const used = secretsOf(tls, secrets);
  if (used === null) return null;
  const shown: ListedCertificate[] = [];
  const list = (pem: string, secret: string, file = "", trustDomain = "") =>
    read(pem).map((certificate): ListedCertificate => ({ secret, file, trustDomain, certificate }));
  for (const { chain, chainFile } of tls.certificates) shown.push(...list(chain, "", chainFile).slice(0, 1));
  for (const { name, certificate } of used)
    if (certificate !== null)
      shown.push(...list(certificate.chain, secretName(name), certificate.chainFile).slice(0, 1));
  const validation = validationOf(tls, used);
  if (validation === null) return { shown, trusted: [] };
  const { trustDomains, trustedCa, trustedCaFile } = validation;
  const secret = secretName(tls.validationSecret);
  const trusted =
    trustDomains === null
      ? list(trustedCa, secret, trustedCaFile)
      : trustDomains.flatMap(({ name, bundle, bundleFile }) => list(bundle, secret, bundleFile, name));
  return { shown, trusted };
}
