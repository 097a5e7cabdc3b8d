/** Who was let in is remembered, in bounded room, for as long as everything holds that it rests on, and nobody else is. */
import { beforeAll, expect, test } from "bun:test";
import type { TlsValidation } from "../../../core/config/tls.ts";
import { PeerJudge } from "../../../core/tls/peer-judge.ts";
import { hostCryptography } from "../../../runtime-adapters/host-cryptography.ts";
import { type Issued, leaf, NOW, revocationList, rootCa, workload } from "../../support/certificates.ts";
import { trusting, VALIDATION } from "../../support/tls-config.ts";

const DAY = 86_400_000;

let root: Issued;
let sound: Issued;

beforeAll(async () => {
  root = await rootCa();
  sound = await workload(root);
});

const judgeOf = (config: TlsValidation) => new PeerJudge(config, "client", hostCryptography);
const room = (judge: PeerJudge) => (judge as unknown as { remembered: Map<string, unknown> }).remembered.size;

test("a clock that goes back finds the certificate not yet valid, as if nobody had seen it", async () => {
  const young = await workload(root, undefined, { from: NOW - 1000 });
  const judge = judgeOf(trusting(root));
  expect(judge.judge([young.der], NOW).fault).toBeNull();
  expect(judge.judge([young.der], NOW - 2000).fault).toBe("not_yet_valid");
  expect(judge.judge([young.der], NOW).fault).toBeNull();
});

test("a list of revocations that has become stale is stale for those, too, whom it has cleared", async () => {
  const judge = judgeOf(trusting(root, { crl: await revocationList(root, [], { until: NOW + 1000 }) }));
  expect(judge.judge([sound.der], NOW).fault).toBeNull();
  expect(judge.judge([sound.der], NOW + 1000).fault).toBeNull();
  expect(judge.judge([sound.der], NOW + 2000).fault).toBe("stale_revocation_list");
});

test("nobody is remembered who had nothing to prove, or was let in without a proof", async () => {
  const stranger = await leaf(null);
  for (const config of [VALIDATION, trusting(root, { acceptUntrusted: true })]) {
    const judge = judgeOf(config);
    expect(judge.judge([stranger.der], NOW).fault).toBeNull();
    expect(room(judge)).toBe(0);
  }
  const judge = judgeOf(trusting(root));
  expect(judge.judge([stranger.der], NOW).fault).toBe("unknown_issuer");
  expect(room(judge)).toBe(0);
});

test("one workload that shows ever other things beside its certificate takes no more room than there is", async () => {
  const others = await Promise.all(
    Array.from({ length: 12 }, (_, i) => leaf(null, { subject: `CN=other ${i}` })),
  );
  const judge = judgeOf(trusting(root));
  let most = 0;
  for (const a of others)
    for (const b of others)
      for (const c of others) {
        if (a === b || b === c || a === c) continue;
        expect(judge.judge([sound.der, a.der, b.der, c.der], NOW).fault).toBeNull();
        most = Math.max(most, room(judge));
      }
  expect(most).toBeGreaterThan(1000);
  expect(most).toBeLessThanOrEqual(1024);
});

test("who expires is not let in a moment longer than it says", async () => {
  const brief = await workload(root, undefined, { until: NOW + DAY });
  const judge = judgeOf(trusting(root));
  expect(judge.judge([brief.der], NOW + DAY).fault).toBeNull();
  expect(judge.judge([brief.der], NOW + DAY + 1000).fault).toBe("expired");
});
