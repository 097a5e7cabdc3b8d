/**
 * Certificates with their keys, and how a peer's are judged: `TlsCertificate` and `CertificateValidationContext`, inline
 * or in a `Secret` that SDS delivers. What a message names is read here and now, so that a file that is missing, a key
 * that is another's or a certificate that has expired is a fault of the field that names it.
 *
 * Law: no fault quotes what it found.
 */
import { fromBase64, toBase64 } from "../bytes/base64.ts";
import type { ConfigFault } from "../config/config-fault.ts";
import type { NameMatch, Secret, TlsCertificate, TlsValidation, TrustDomain } from "../config/tls.ts";
import type { Cryptography } from "../io/cryptography.ts";
import { PeerJudge, readAnchors } from "../tls/peer-judge.ts";
import { isTrustDomain } from "../tls/spiffe-id.ts";
import { fieldPath } from "./faults.ts";
import type { DataSource } from "./generated/envoy/config/core/v3/base_pb.ts";
import type { TypedExtensionConfig } from "./generated/envoy/config/core/v3/extension_pb.ts";
import type {
  CertificateValidationContext,
  SubjectAltNameMatcher,
  TlsCertificate as TlsCertificateMessage,
} from "./generated/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { Secret as SecretMessage } from "./generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type { SPIFFECertValidatorConfig } from "./generated/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";
import { readStringMatcher } from "./matchers.ts";
import { openUnpacked, type Reader } from "./reader.ts";
import { readDataSource } from "./text-rules.ts";
import { versionOf } from "./version.ts";

const SPIFFE = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
/** As in Envoy. */
const MAX_DEPTH = 100;

/** Reads a certificate with its key. */
export function readTlsCertificate(reader: Reader<TlsCertificateMessage>): TlsCertificate {
  reader.inert("watchedDirectory"); // the files themselves are watched, wherever links lead
  const chain = readDataSource(reader.child("certificateChain"));
  const privateKey = readDataSource(reader.child("privateKey"));
  const password = readDataSource(reader.child("password"));
  checkCertificate(reader, chain, privateKey, password);
  const chainFile = fileOf(reader.message.certificateChain);
  return { chain, privateKey, password, ...(chainFile === "" ? {} : { chainFile }) };
}

/** The file that content comes from, or "". */
export function fileOf(source: DataSource | undefined): string {
  return source?.specifier.case === "filename" ? source.specifier.value : "";
}

function checkCertificate(
  reader: Reader<TlsCertificateMessage>,
  chain: string,
  privateKey: string,
  password: string,
): void {
  const { faults, checks } = reader.context;
  if (reader.has("pkcs12") || reader.has("privateKeyProvider")) return; // refused by name
  const given = { certificateChain: chain, privateKey };
  for (const key of ["certificateChain", "privateKey"] as const) {
    if (!reader.has(key)) reader.fault(key, "must be set");
    // Unless it was said already what is wrong with it.
    else if (given[key] === "" && !faults.hasBelow(reader.at(key))) reader.fault(key, "is empty");
  }
  if (chain === "" || privateKey === "") return;
  const found: ConfigFault[] = [];
  const certificates = readAnchors(chain, reader.at("certificateChain"), found);
  for (const { path, message } of found) faults.add(path, message);
  if (found.length > 0) return;
  const [leaf] = certificates;
  const now = checks.now?.() ?? Number.NEGATIVE_INFINITY;
  if (leaf.notAfter < now)
    reader.fault("certificateChain", `has expired: ${new Date(leaf.notAfter).toISOString()}`);
  const why = checks.checkKeyPair?.(leaf.der, privateKey, password) ?? "";
  if (why !== "") reader.fault("privateKey", why);
}

/**
 * Reads how a peer is judged. `part`: it is completed by another one (`combined_validation_context`), or completes one,
 * so what it lacks is no fault.
 */
export function readTlsValidation(
  reader: Reader<CertificateValidationContext>,
  part: boolean,
): TlsValidation {
  reader.inert("watchedDirectory");
  const trustedCaFile = fileOf(reader.message.trustedCa);
  const validation: TlsValidation = {
    trustedCa: readDataSource(reader.child("trustedCa")),
    ...(trustedCaFile === "" ? {} : { trustedCaFile }),
    trustDomains: readValidator(reader.child("customValidatorConfig")),
    names: [
      ...reader.children("matchTypedSubjectAltNames").map(readNameMatch),
      ...reader.children("matchSubjectAltNames").flatMap((each) => {
        const match = readStringMatcher(each);
        return ANY_NAME.map((type): NameMatch => ({ type, oid: "", match }));
      }),
    ],
    certificateHashes: reader.take("verifyCertificateHash").map((text, i) => {
      const hash = text.replaceAll(":", "").toLowerCase();
      if (!/^[0-9a-f]{64}$/.test(hash))
        reader.context.faults.add(
          `${reader.at("verifyCertificateHash")}[${i}]`,
          "is no SHA-256 in hexadecimal",
        );
      return hash;
    }),
    publicKeyHashes: reader.take("verifyCertificateSpki").map((text, i) => {
      const hash = fromBase64(text);
      if (hash?.length !== 32)
        reader.context.faults.add(`${reader.at("verifyCertificateSpki")}[${i}]`, "is no SHA-256 in Base64");
      return hash === null ? "" : toBase64(hash);
    }),
    crl: readDataSource(reader.child("crl")),
    crlOfLeafOnly: reader.take("onlyVerifyLeafCertCrl"),
    allowExpired: reader.take("allowExpiredCertificate"),
    acceptUntrusted:
      reader.choice("trustChainVerification", ["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"]) ===
      "ACCEPT_UNTRUSTED",
    maxDepth: reader.number("maxVerifyDepth", MAX_DEPTH),
  };
  checkValidation(reader, validation, part);
  return validation;
}

const ANY_NAME = ["DNS", "URI", "EMAIL", "IP_ADDRESS"] as const;

function checkValidation(
  reader: Reader<CertificateValidationContext>,
  validation: TlsValidation,
  part: boolean,
): void {
  const { faults } = reader.context;
  const found: ConfigFault[] = [];
  new PeerJudge(validation, "client", NO_CRYPTOGRAPHY, found);
  for (const { path, message } of found) {
    // Regular expressions were checked where they were read, and empty files said to be missing.
    const at = fieldPath(reader.path, path);
    if (!path.startsWith("match_") && !faults.hasBelow(at)) faults.add(at, message);
  }
  for (const key of ["trustedCa", "crl"] as const)
    if (reader.has(key) && validation[key] === "" && !faults.hasBelow(reader.at(key)))
      reader.fault(key, "is empty");
  const trusts = validation.trustedCa !== "" || validation.trustDomains !== null || reader.has("trustedCa");
  if (trusts || part) return;
  if (validation.names.length > 0)
    reader.fault("matchTypedSubjectAltNames", "needs trusted_ca: anyone can make a certificate of any name");
  if (validation.allowExpired)
    reader.fault("allowExpiredCertificate", "needs trusted_ca: without it times are not looked at");
  if (validation.crl !== "") reader.fault("crl", "needs trusted_ca");
}

/** For looking at a configuration, which needs none. */
const NO_CRYPTOGRAPHY: Cryptography = { sha256: () => new Uint8Array(32), verify: () => false };

function readNameMatch(reader: Reader<SubjectAltNameMatcher>): NameMatch {
  const type = reader.choice("sanType", ["EMAIL", "DNS", "URI", "IP_ADDRESS", "OTHER_NAME"]);
  const oid = reader.text("oid");
  if (type === "OTHER_NAME" && !/^\d+(\.\d+)+$/.test(oid))
    reader.fault("oid", "must be an object identifier");
  if (type !== "OTHER_NAME" && oid !== "") reader.fault("oid", "must only be set for OTHER_NAME");
  const matcher = reader.child("matcher");
  const match =
    matcher === null ? ({ kind: "exact", text: "", ignoreCase: false } as const) : readStringMatcher(matcher);
  return { type, oid, match };
}

function readValidator(reader: Reader<TypedExtensionConfig> | null): readonly TrustDomain[] | null {
  if (reader === null) return null;
  const { context } = reader;
  reader.inert("name");
  const packed = reader.unpacked("typedConfig");
  const config = openUnpacked<SPIFFECertValidatorConfig>(context, packed, SPIFFE);
  if (config === null) {
    if (packed.any === null) context.faults.add(packed.path, "must be set");
    else context.faults.refuse(`${packed.path}.@type`, packed.typeName);
    return null;
  }
  const names = new Set<string>();
  return config.children("trustDomains").map((each) => {
    const name = each.text("name");
    if (!isTrustDomain(name))
      each.fault("name", "is no trust domain: lower-case letters, digits, '.', '-' and '_'");
    if (names.has(name)) each.fault("name", "is given twice");
    names.add(name);
    const source = each.child("trustBundle");
    if (source === null) each.fault("trustBundle", "must be set");
    const bundleFile = fileOf(source?.message);
    return { name, bundle: readDataSource(source), ...(bundleFile === "" ? {} : { bundleFile }) };
  });
}

/** Reads a secret. Its version depends on the content of the files that it names, but for keys. */
export function readSecret(reader: Reader<SecretMessage>, sourceVersion: string): Secret {
  const name = reader.text("name");
  const chosen = reader.oneof("type");
  let certificate: TlsCertificate | null = null;
  let validation: TlsValidation | null = null;
  switch (chosen.case) {
    case "tlsCertificate":
      certificate = readTlsCertificate(chosen.value);
      break;
    case "validationContext":
      validation = readTlsValidation(chosen.value, true);
      break;
    case undefined:
      reader.faultHere("one of tls_certificate, validation_context must be set");
      break;
    default:
      reader.refuseOneof(chosen);
  }
  // A key that fits the same certificate is the same key.
  const content = { source: sourceVersion, chain: certificate?.chain ?? null, validation } as never;
  return { name, version: versionOf(content), certificate, validation };
}
