/**
 * Who is at the other end of a TLS connection: what routes, filters, logs and XFCC ask for. Made by `PeerJudge`. What
 * it says is to be believed only if `verified`.
 */
import { toBase64 } from "../bytes/base64.ts";
import type { AlternativeNames, Certificate } from "./certificate.ts";
import { pemText } from "./pem.ts";
import type { SpiffeId } from "./spiffe-id.ts";

export class Peer {
  /** True if it proved what was asked for: a way to a trusted CA, or a certificate of a known hash. */
  readonly verified: boolean;
  /** SHA-256 of its certificate (DER), lower-case hexadecimal. */
  readonly sha256: string;
  /** Its SPIFFE ID, or null: it has none, or was not verified. */
  readonly workload: SpiffeId | null;
  /** From its certificate to the trusted one; empty if there was none to find. */
  readonly path: readonly Certificate[];
  /** What it showed, its own first. */
  private readonly chain: readonly Certificate[];

  /** Made by `PeerJudge`. */
  constructor(
    chain: readonly Certificate[],
    sha256: string,
    verified: boolean,
    workload: SpiffeId | null,
    path: readonly Certificate[],
  ) {
    this.chain = chain;
    this.sha256 = sha256;
    this.verified = verified;
    this.workload = workload;
    this.path = path;
  }

  /** Its own certificate. */
  get certificate(): Certificate {
    return this.chain[0];
  }

  get names(): AlternativeNames {
    return this.chain[0].names;
  }

  /** RFC 2253 text. */
  get subject(): string {
    return this.chain[0].subject;
  }

  get issuer(): string {
    return this.chain[0].issuer;
  }

  /**
   * The name that policies know it by, as Envoy's RBAC chooses it: the first URI, else the first DNS name, else the
   * subject; "" unless it was verified.
   */
  get principal(): string {
    if (!this.verified) return "";
    const { uri, dns } = this.names;
    return uri[0] ?? dns[0] ?? this.subject;
  }

  /** Its certificate as PEM. */
  get pem(): string {
    return certificatePem(this.chain[0]);
  }

  /** Every certificate that it showed, as PEM. */
  get chainPem(): string {
    return this.chain.map(certificatePem).join("");
  }
}

function certificatePem({ der }: Certificate): string {
  return pemText("CERTIFICATE", toBase64(der));
}
