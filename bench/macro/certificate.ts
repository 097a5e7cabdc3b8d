/**
 * The certificates of a run, ECDSA P-256, good for a day: a CA of its own, one for who serves and one for clients, each
 * with a SPIFFE ID. Where only the server shows one, it is the same.
 */
import "reflect-metadata";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export interface Certificate {
  /** Paths of PEM files. */
  readonly chain: string;
  readonly key: string;
  /** Its SPIFFE ID. */
  readonly uri: string;
}

export interface Identities {
  /** Path of the PEM file of who has signed both. */
  readonly ca: string;
  readonly server: Certificate;
  readonly client: Certificate;
}

/** Makes them in `folder`. */
export async function makeIdentities(folder: string): Promise<Identities> {
  const keys = (await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as CryptoKeyPair;
  const validity = {
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    signingAlgorithm: ALGORITHM,
  };
  const ca = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: "01",
    name: "CN=bench CA",
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  const issue = async (name: string, serialNumber: string): Promise<Certificate> => {
    const own = (await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as CryptoKeyPair;
    const uri = `spiffe://bench.test/${name}`;
    const certificate = await X509CertificateGenerator.create({
      ...validity,
      serialNumber,
      subject: `CN=${name}`,
      issuer: ca.subject,
      publicKey: own.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]),
        new SubjectAlternativeNameExtension([{ type: "url", value: uri }]),
      ],
    });
    const key = join(folder, `${name}-key.pem`);
    const pkcs8 = await crypto.subtle.exportKey("pkcs8", own.privateKey);
    writeFileSync(key, `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`, { mode: 0o644 }); // nginx may run as somebody else
    return { chain: write(folder, name, certificate), key, uri };
  };
  return {
    ca: write(folder, "ca", ca),
    server: await issue("server", "02"),
    client: await issue("client", "03"),
  };
}

function write(folder: string, name: string, certificate: X509Certificate): string {
  const file = join(folder, `${name}.pem`);
  writeFileSync(file, `${certificate.toString("pem")}\n`);
  return file;
}
