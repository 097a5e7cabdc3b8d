/**
 * `DownstreamTlsContext` and `UpstreamTlsContext` → the model. Certificates that are named by files, and what SDS
 * delivers, become secrets, which are watched; what stands in the document itself stays in the model.
 */
import { utf8ByteString } from "../bytes/ascii.ts";
import { secretKey } from "../config/secret-key.ts";
import type { CommonTls, DownstreamTls, TlsParameters, TlsValidation, UpstreamTls } from "../config/tls.ts";
import { readConfigSource } from "./config-source.ts";
import type {
  CertificateValidationContext,
  TlsCertificate as TlsCertificateMessage,
  TlsParameters as TlsParametersMessage,
} from "./generated/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import type { SdsSecretConfig } from "./generated/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  UpstreamTlsContext,
} from "./generated/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import type { Reader } from "./reader.ts";
import type { InlineSecret, Subscription } from "./resource.ts";
import { fileOf, readTlsCertificate, readTlsValidation } from "./tls-secret.ts";
import { messageToJson } from "./to-json.ts";
import { versionOf } from "./version.ts";

/** Suites of TLS 1.2 that Envoy knows and the runtimes' engines have. */
const CIPHER_SUITES = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES128-SHA",
  "ECDHE-ECDSA-AES256-SHA",
  "ECDHE-RSA-AES256-SHA",
  "AES128-GCM-SHA256",
  "AES128-SHA",
  "AES256-GCM-SHA384",
  "AES256-SHA",
];
const CURVES = ["X25519", "P-256", "P-384", "P-521"];
const SIGNATURE_ALGORITHMS = [
  "rsa_pkcs1_sha256",
  "rsa_pkcs1_sha384",
  "rsa_pkcs1_sha512",
  "ecdsa_secp256r1_sha256",
  "ecdsa_secp384r1_sha384",
  "ecdsa_secp521r1_sha512",
  "rsa_pss_rsae_sha256",
  "rsa_pss_rsae_sha384",
  "rsa_pss_rsae_sha512",
  "ed25519",
];
const VERSIONS = ["TLS_AUTO", "TLSv1_2", "TLSv1_3"] as const;

/** Reads what a listener speaks; the secrets that it subscribes to are added to `wants`. */
export function readDownstreamTls(
  reader: Reader<DownstreamTlsContext>,
  wants: Subscription[],
): DownstreamTls {
  const common = readCommon(reader.child("commonTlsContext"), "TLSv1.3", wants);
  if (common.certificates.length === 0 && common.certificateSecrets.length === 0)
    reader.fault("commonTlsContext", "a server must have a certificate");
  reader.choice("ocspStaplePolicy", ["LENIENT_STAPLING"]);
  const tickets = reader.oneof("sessionTicketKeysType");
  const chosen = tickets.case;
  if (chosen === "sessionTicketKeys" || chosen === "sessionTicketKeysSdsSecretConfig")
    reader.refuseOneof(tickets);
  reader.take("disableStatefulSessionResumption"); // no engine of ours resumes from what a server keeps
  return {
    ...common,
    requireClientCertificate: reader.flag("requireClientCertificate", false),
    requireSni: reader.flag("requireSni", false),
    sessionTickets: !(chosen === "disableStatelessSessionResumption" && tickets.value),
    sessionTimeout: reader.duration("sessionTimeout", 0),
  };
}

/** Reads what a cluster speaks; the secrets that it subscribes to are added to `wants`. */
export function readUpstreamTls(reader: Reader<UpstreamTlsContext>, wants: Subscription[]): UpstreamTls {
  const common = readCommon(reader.child("commonTlsContext"), "TLSv1.2", wants);
  if (common.certificates.length + common.certificateSecrets.length > 1)
    reader.fault("commonTlsContext", "a client can have one certificate only");
  const sni = reader.text("sni");
  if (!/^[\x21-\x7e]*$/.test(sni)) reader.fault("sni", "must be visible ASCII");
  return { ...common, sni, maxSessionKeys: reader.number("maxSessionKeys", 1) };
}

function readCommon(
  reader: Reader<CommonTlsContext> | null,
  newest: "TLSv1.2" | "TLSv1.3",
  wants: Subscription[],
): CommonTls {
  const parameters = readParameters(reader?.child("tlsParams") ?? null, newest);
  if (reader === null)
    return {
      parameters,
      certificates: [],
      certificateSecrets: [],
      alpn: [],
      validation: null,
      validationSecret: "",
    };
  const certificates: CommonTls["certificates"][number][] = [];
  const certificateSecrets: string[] = [];
  for (const each of reader.children("tlsCertificates")) {
    const certificate = readTlsCertificate(each);
    if (namesFiles(each)) {
      certificateSecrets.push(inline(wants, { kind: "tls_certificate", message: each.message as never }));
    } else certificates.push(certificate);
  }
  const delivered = reader.children("tlsCertificateSdsSecretConfigs");
  if (delivered.length > 0 && certificates.length + certificateSecrets.length > 0)
    reader.fault("tlsCertificateSdsSecretConfigs", "must not be set beside tls_certificates");
  for (const each of delivered) certificateSecrets.push(subscribe(each, wants));
  const alpn = reader.take("alpnProtocols").map((written, i) => {
    const protocol = utf8ByteString(written);
    if (protocol.length === 0 || protocol.length > 255)
      reader.context.faults.add(`${reader.at("alpnProtocols")}[${i}]`, "must have 1 to 255 bytes");
    return protocol;
  });
  return { parameters, certificates, certificateSecrets, alpn, ...readValidationType(reader, wants) };
}

function readValidationType(
  reader: Reader<CommonTlsContext>,
  wants: Subscription[],
): Pick<CommonTls, "validation" | "ownValidationSecret" | "validationSecret"> {
  const chosen = reader.oneof("validationContextType");
  switch (chosen.case) {
    case undefined:
      break;
    case "validationContext": {
      const { validation, secret } = readOwnValidation(chosen.value, false, wants);
      return { validation, validationSecret: secret };
    }
    case "validationContextSdsSecretConfig":
      return { validation: null, validationSecret: subscribe(chosen.value, wants) };
    case "combinedValidationContext": {
      const own = chosen.value.child("defaultValidationContext");
      const secret = chosen.value.child("validationContextSdsSecretConfig");
      const validationSecret = secret === null ? "" : subscribe(secret, wants);
      if (own === null) return { validation: null, validationSecret };
      const read = readOwnValidation(own, true, wants);
      return {
        validation: read.validation,
        ...(read.secret === "" ? {} : { ownValidationSecret: read.secret }),
        validationSecret,
      };
    }
    default:
      reader.refuseOneof(chosen);
  }
  return { validation: null, validationSecret: "" };
}

/** What stands in the document; where it names files it becomes a secret, of that name. `part`: see `readTlsValidation`. */
function readOwnValidation(
  reader: Reader<CertificateValidationContext>,
  part: boolean,
  wants: Subscription[],
): { readonly validation: TlsValidation | null; readonly secret: string } {
  const validation = readTlsValidation(reader, part);
  const { trustedCa, crl } = reader.message;
  const bundled = validation.trustDomains?.some(({ bundleFile }) => bundleFile !== undefined) === true;
  if (!bundled && fileOf(trustedCa) === "" && fileOf(crl) === "") return { validation, secret: "" };
  const message = reader.message as never;
  return { validation: null, secret: inline(wants, { kind: "validation_context", message }) };
}

/** True if it has to be read again when files change. */
function namesFiles({ message }: Reader<TlsCertificateMessage>): boolean {
  const sources = [message.certificateChain, message.privateKey, message.password];
  return sources.some((each) => fileOf(each) !== "");
}

/** Asks for a secret that stands in the document and names files; its name, which depends on the content only. */
function inline(wants: Subscription[], secret: InlineSecret): string {
  // The files of keys are redacted in JSON: their names are added, not their content.
  const { privateKey, password } = secret.message as never as Partial<TlsCertificateMessage>;
  const files = [privateKey, password].map(fileOf);
  const name = `${secret.kind}:${versionOf({ files, json: messageToJson(secret.message) })}`;
  wants.push({ kind: "SDS", name, path: "", initialFetchTimeout: 0, inline: secret });
  return name;
}

function subscribe(reader: Reader<SdsSecretConfig>, wants: Subscription[]): string {
  const name = reader.text("name");
  const source = reader.child("sdsConfig");
  if (source === null) {
    reader.refuse("sdsConfig", "secrets of the bootstrap (sds_config is not set)");
    return name;
  }
  const file = readConfigSource(source);
  if (file.path !== "") wants.push({ kind: "SDS", name, ...file, inline: null });
  return secretKey(name, file.path);
}

function readParameters(
  reader: Reader<TlsParametersMessage> | null,
  newest: "TLSv1.2" | "TLSv1.3",
): TlsParameters {
  if (reader === null) return { ...DEFAULTS, maxVersion: newest };
  const least = reader.choice("tlsMinimumProtocolVersion", VERSIONS);
  const most = reader.choice("tlsMaximumProtocolVersion", VERSIONS);
  const minVersion = least === "TLSv1_3" ? "TLSv1.3" : "TLSv1.2";
  const maxVersion = most === "TLS_AUTO" ? newest : most === "TLSv1_3" ? "TLSv1.3" : "TLSv1.2";
  if (minVersion > maxVersion)
    reader.fault("tlsMinimumProtocolVersion", `is above the newest version that is allowed, ${maxVersion}`);
  return {
    minVersion,
    maxVersion,
    cipherSuites: known(reader, "cipherSuites", CIPHER_SUITES),
    curves: known(reader, "ecdhCurves", CURVES),
    signatureAlgorithms: known(reader, "signatureAlgorithms", SIGNATURE_ALGORITHMS),
  };
}

const DEFAULTS: TlsParameters = {
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.3",
  cipherSuites: [],
  curves: [],
  signatureAlgorithms: [],
};

/** Names that are known; BoringSSL's groups of equals, `[A|B]`, become a sequence, for OpenSSL has no such thing. */
function known(
  reader: Reader<TlsParametersMessage>,
  key: "cipherSuites" | "ecdhCurves" | "signatureAlgorithms",
  names: readonly string[],
): string[] {
  return reader.take(key).flatMap((written, i) => {
    const parts = /^\[.*\]$/.test(written) ? written.slice(1, -1).split("|") : [written];
    for (const part of parts) {
      if (names.includes(part)) continue;
      reader.context.faults.add(
        `${reader.at(key)}[${i}]`,
        `is not known: ${JSON.stringify(part)}; known are ${names.join(", ")}`,
      );
    }
    return parts;
  });
}
