/** The one certificate that all proxies show where TLS is measured: ECDSA P-256, signed by itself, for a day. */
import "reflect-metadata";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export interface Certificate {
  /** Paths of PEM files. */
  readonly chain: string;
  readonly key: string;
}

/** Makes it in `folder`. */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const keys = (await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"])) as CryptoKeyPair;
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: "CN=bench.test",
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new SubjectAlternativeNameExtension([{ type: "dns", value: "bench.test" }])],
  });
  const chain = join(folder, "certificate.pem");
  const key = join(folder, "key.pem");
  writeFileSync(chain, `${certificate.toString("pem")}\n`);
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  writeFileSync(key, `${PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`, { mode: 0o644 }); // nginx may run as somebody else
  return { chain, key };
}
