/**
 * The proxies in which the shipped filters are tried with one table of requests: real Envoy (ENVOY_BIN or PATH), and
 * ours on each runtime (TULLE_RUNTIMES narrows them).
 */
import type { ProxyStarter } from "./filtered-proxy.ts";
import { RUNTIMES, startTulle } from "./our-proxy.ts";
import { envoyProgram, startEnvoy } from "./rivals.ts";

const envoy: [string, ProxyStarter] = ["Envoy", startEnvoy];
const ours = RUNTIMES.map((runtime): [string, ProxyStarter] => [
  `Tulle on ${runtime}`,
  (file, port) => startTulle(file, port, runtime),
]);
const isInstalled = envoyProgram() !== "";
if (!isInstalled) console.log("filters: Envoy is not installed (ENVOY_BIN or PATH): not tried in it");

/** Name and starter of each, for `describe.each`. */
export const FILTER_PROXIES: readonly [string, ProxyStarter][] = isInstalled ? [envoy, ...ours] : ours;
