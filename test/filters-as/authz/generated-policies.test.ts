/**
 * The module, which finds rules by its index, against the model, which tries every rule: generated policies and
 * requests. A failure prints what replays it.
 */
import { beforeAll, expect, test } from "bun:test";
import { ScriptedHost } from "../../../runtime-adapters/filter-tool/scripted-host/scripted-host.ts";
import { shippedFilter } from "../../support/filter-build.ts";
import { isAudited, judge } from "./authz-model.ts";
import { headersOf, propertiesOf } from "./authz-request.ts";
import { Dice, generatePolicies, generateRequest } from "./policy-generator.ts";

let authz: string;
beforeAll(() => {
  authz = shippedFilter("authz");
}, 120_000);

const POLICY_SETS = 60;
const REQUESTS = 50;

test("the index finds what trying every rule finds", () => {
  const answers = { denied: 0, allowed: 0 };
  for (let seed = 1; seed <= POLICY_SETS; seed++) {
    const dice = new Dice(seed);
    const configuration = generatePolicies(dice);
    const host = ScriptedHost.start(authz, { configuration });
    for (let i = 0; i < REQUESTS; i++) {
      const one = generateRequest(dice);
      const stream = host.open();
      for (const [path, value] of propertiesOf(one)) stream.properties.set(path, value);
      stream.onRequestHeaders(headersOf(one));
      const calls = host.calls.join("\n");
      const shadow = judge(configuration, one, true);
      const found = {
        denied: stream.reply?.details ?? null,
        audited: calls.includes("rbac.logged += 1"),
        shadow: stream.properties.get("shadow_engine_result"),
        shadowRule: shadow.denied ? stream.properties.get("shadow_effective_policy_id") : undefined,
      };
      const verdict = judge(configuration, one);
      const hasShadow = configuration.policies.some(({ dryRun }) => dryRun);
      const expected = {
        denied: verdict.denied ? `rbac_access_denied_matched_policy[${verdict.rule}]` : null,
        audited: isAudited(configuration, one),
        shadow: hasShadow ? (shadow.denied ? "denied" : "allowed") : undefined,
        shadowRule: shadow.denied && shadow.rule !== "none" ? shadow.rule : undefined,
      };
      answers[verdict.denied ? "denied" : "allowed"]++;
      expect({ seed, one, ...found }).toEqual({ seed, one, ...expected });
      stream.end();
    }
  }
  // The generator is worth something only while both happen often.
  expect(Math.min(answers.denied, answers.allowed)).toBeGreaterThan((POLICY_SETS * REQUESTS) / 10);
}, 120_000);
