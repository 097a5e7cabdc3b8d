/** PEM (RFC 7468): the binary documents in a text, whatever stands around them. */
import { fromBase64 } from "../bytes/base64.ts";

/** Documents that one text may hold; a system's own list of CAs has some 150. */
const MAX_DOCUMENTS = 4096;

/** One document. */
export interface PemDocument {
  /** "CERTIFICATE", "X509 CRL", "PRIVATE KEY", … */
  readonly label: string;
  readonly content: Uint8Array;
}

/** The documents in order; a text is what is wrong. Never quotes what it reads. */
export function readPem(text: string): readonly PemDocument[] | string {
  const documents: PemDocument[] = [];
  let at = 0;
  for (;;) {
    const begin = text.indexOf("-----BEGIN ", at);
    if (begin < 0) return documents;
    const labelEnd = text.indexOf("-----", begin + 11);
    const label = labelEnd < 0 ? "" : text.slice(begin + 11, labelEnd);
    if (!/^[A-Z0-9 ]{1,64}$/.test(label)) return "has a PEM header that is none";
    const end = text.indexOf(`-----END ${label}-----`, labelEnd);
    if (end < 0) return `has a PEM "${label}" without an end`;
    const body = text.slice(labelEnd + 5, end);
    // Encrypted keys of the old form have headers; nobody here reads those.
    const content = body.includes(":") ? new Uint8Array(0) : fromBase64(body.replace(/[\r\n\t ]+/g, ""));
    if (content === null) return `has a PEM "${label}" that is not Base64`;
    if (documents.length === MAX_DOCUMENTS) return "has too many PEM documents";
    documents.push({ label, content });
    at = end + 14 + label.length;
  }
}

/** The contents of the documents of one kind; a text is what is wrong. */
export function pemContents(text: string, label: string): readonly Uint8Array[] | string {
  const documents = readPem(text);
  if (typeof documents === "string") return documents;
  const contents = documents.filter((each) => each.label === label).map(({ content }) => content);
  return contents.length === 0 ? `has no PEM "${label}"` : contents;
}

/** One document as PEM, as OpenSSL writes it. `base64`: its content. */
export function pemText(label: string, base64: string): string {
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?!$)/g, "$&\n")}\n-----END ${label}-----\n`;
}
