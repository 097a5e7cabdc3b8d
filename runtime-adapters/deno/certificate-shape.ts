/**
 * Whether Deno's TLS can be believed that a peer has the key of the certificate that it shows.
 *
 * As measured (2.9.6), with a certificate that rustls cannot read it lets the signature of the handshake pass
 * unverified: that is so for X.509 version 1, and for bad encodings. Anybody could show the certificate of somebody
 * else, with the part that its issuer has not signed encoded in another way, and be taken for its owner by a reader
 * that is less strict. So the leaf has to be of version 3, and its outer part the one encoding that DER allows. What
 * the issuer has signed nobody can change.
 */
import { DerReader, INTEGER, readDer, SEQUENCE } from "../../core/tls/der.ts";
import { confirmAlgorithm, openSigned } from "../../core/tls/signed-document.ts";

const VERSION_3 = 2;

/** See the head of this file. `leaf` is DER. */
export function hasProperShape(leaf: Uint8Array): boolean {
  const proper = readDer(() => {
    const signed = openSigned(leaf);
    const body = new DerReader(signed.signedPart).open(SEQUENCE);
    const version = body.open(0xa0);
    const number = version.smallInteger();
    version.finish();
    body.content(INTEGER); // the serial number
    const { tag } = body;
    confirmAlgorithm(body, signed);
    return number === VERSION_3 && tag === SEQUENCE;
  });
  return proper === true;
}
