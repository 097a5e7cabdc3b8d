/** Which contexts are one, and whose sessions may be resumed where. */
import { beforeEach, describe, expect, test } from "bun:test";
import type { Platform } from "../../../core/io/platform.ts";
import type { TlsContext, TlsContextOptions } from "../../../core/io/tls.ts";
import { TlsContexts } from "../../../core/proxy/tls-contexts.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { VALIDATION } from "../../support/tls-config.ts";
import { CLIENT, SERVER, SERVER_OPTIONS } from "../../support/tls-fixture.ts";

type Made = TlsContext & { readonly options: TlsContextOptions };

const platform = {
  cryptography: hostCryptography,
  tlsContext: (options: TlsContextOptions): Made => ({
    options,
    fault: options.alpn.includes("bad") ? "bad" : "",
  }),
} as unknown as Platform;

const PLACE = "listener in filter chain 0";
const DEMANDS = [VALIDATION, true, false];

let contexts: TlsContexts;
beforeEach(() => {
  contexts = new TlsContexts(platform);
});

const make = (change: Partial<TlsContextOptions> = {}, demands: unknown = DEMANDS, place = PLACE): Made =>
  contexts.make(place, demands, { ...SERVER_OPTIONS, ...change }) as Made;
const scope = (...how: Parameters<typeof make>) => make(...how).options.sessionScope;

describe("a context", () => {
  test("stays the same while its place is held, whichever version asks", () => {
    contexts.hold(PLACE);
    const first = make();
    contexts.hold(PLACE); // the next version of its listener
    contexts.release(PLACE);
    expect(make()).toBe(first);
    expect(make({ alpn: ["h2"] })).not.toBe(first);
    expect(make({ alpn: ["h2"] })).toBe(make({ alpn: ["h2"] }));
    contexts.release(PLACE);
    contexts.hold(PLACE);
    expect(make()).not.toBe(first);
  });

  test("gives way to another one when anything about it changes, and is not kept", () => {
    contexts.hold(PLACE);
    const first = make();
    const next = make({ certificates: [CLIENT] });
    expect(next).not.toBe(first);
    expect(make({ certificates: [CLIENT] })).toBe(next);
    expect(make()).not.toBe(first);
  });

  test("that cannot be used is tried anew", () => {
    contexts.hold(PLACE);
    expect(make({ alpn: ["bad"] })).not.toBe(make({ alpn: ["bad"] }));
  });
});

describe("a session", () => {
  test("may be resumed where everything is the same, whatever is offered, in another worker as well", () => {
    const one = scope({ alpn: ["h2"] });
    contexts = new TlsContexts(platform);
    expect(scope()).toBe(one);
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(scope({ certificates: [{ ...SERVER, password: "x" }] })).toBe(one);
  });

  const others: readonly [string, Parameters<typeof make>][] = [
    ["no certificate is asked for", [{ requestCertificate: true }]],
    ["a certificate need not be shown", [{}, [VALIDATION, false, false]]],
    ["nobody is judged", [{}, [null, true, false]]],
    ["another CA is trusted", [{}, [{ ...VALIDATION, trustedCa: CLIENT.chain }, true, false]]],
    ["other names are asked for", [{}, [{ ...VALIDATION, certificateHashes: ["00"] }, true, false]]],
    ["less is revoked", [{}, [{ ...VALIDATION, crl: "x" }, true, false]]],
    ["a server need not be named", [{}, [VALIDATION, true, true]]],
    ["another certificate is shown", [{ certificates: [CLIENT] }]],
    ["another version is the least", [{ minVersion: "TLSv1.3" }]],
    ["other suites are allowed", [{ cipherSuites: ["ECDHE-RSA-AES128-GCM-SHA256"] }]],
    ["other curves are allowed", [{ curves: ["P-384"] }]],
    ["other signatures are allowed", [{ signatureAlgorithms: ["ed25519"] }]],
    ["it may last longer", [{ sessionTimeout: 9 }]],
    ["there is another listener", [{}, DEMANDS, "listener in filter chain 1"]],
  ];
  for (const [where, how] of others)
    test(`may not be resumed where ${where}`, () => expect(scope(...how)).not.toBe(scope()));
});
