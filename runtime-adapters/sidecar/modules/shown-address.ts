/** Where modules come from, as it may be shown. */
import { codeKey, type PluginConfig } from "../../../filters/wasm/plugin-config.ts";

/** An address as it may be shown: who asks, and with which signature, is nobody's business who reads a log. */
export function withoutSecrets(uri: string): string {
  return uri.replace(/\/\/[^/?#]*@/, "//").replace(/[?#].*$/, "");
}

/** Where a plugin's code comes from, as anybody may read it: a path, an address, or a key of what is inline. */
export function shownSource(config: PluginConfig): string {
  const { code } = config.vm;
  if (code.kind === "file") return code.path;
  return code.kind === "remote" ? withoutSecrets(code.uri) : codeKey(config);
}
