/**
 * What secrets are called in a snapshot. As in Envoy, secrets of one name may come from different files, so the file is
 * part of it; what stands in the document and names files is called by its kind and a digest.
 */

/** The key of a secret that was asked for by `name`, from the file `path`. */
export function secretKey(name: string, path: string): string {
  return `${name.replaceAll("%", "%25").replaceAll("@", "%40")}@${path}`;
}

/** The name by which a secret was asked for; "" = by none: it stands in the document. */
export function secretName(key: string): string {
  const end = key.indexOf("@");
  return end < 0 ? "" : key.slice(0, end).replaceAll("%40", "@").replaceAll("%25", "%");
}
