/** An address as it may be shown: who asks, and with which signature, is nobody's business who reads a log. */
export function withoutSecrets(uri: string): string {
  return uri.replace(/\/\/[^/?#]*@/, "//").replace(/[?#].*$/, "");
}
