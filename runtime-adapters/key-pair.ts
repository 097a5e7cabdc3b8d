/** Whether a private key is that of a certificate, by `node:crypto`, which Bun, Node and Deno have alike. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readCertificate } from "../core/tls/certificate.ts";

/** See `Checks.checkKeyPair`: "" or what is wrong, which never quotes the key. */
export function checkKeyPair(certificate: Uint8Array, privateKey: string, password: string): string {
  const read = readCertificate(certificate);
  if (typeof read === "string") return ""; // the certificate's fault
  let own: KeyObject;
  try {
    const passphrase = password === "" ? {} : { passphrase: password };
    own = createPrivateKey({ key: Buffer.from(privateKey, "latin1"), format: "pem", ...passphrase });
  } catch {
    return password === "" && /ENCRYPTED/.test(privateKey)
      ? "is encrypted, and there is no password"
      : password === ""
        ? "is no private key"
        : "is no private key, or the password is wrong";
  }
  try {
    const wanted = createPublicKey({ key: Buffer.from(read.publicKey), format: "der", type: "spki" });
    return publicPart(createPublicKey(own)) === publicPart(wanted) ? "" : "is not the key of the certificate";
  } catch {
    return "is of a kind that is not known here";
  }
}

function publicPart(key: KeyObject): string {
  return key.export({ format: "der", type: "spki" }).toString("hex");
}
