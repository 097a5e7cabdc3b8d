/** Which sessions a client keeps, and which it uses. */
import { expect, test } from "bun:test";
import { GainedSessions } from "../../runtime-adapters/gained-sessions.ts";
import { SessionStore } from "../../runtime-adapters/session-store.ts";

const session = (text: string, once: boolean) => ({ session: Buffer.from(text), once, shown: [] });

test("the newest is used first, one of TLS 1.3 once, and the oldest goes when there are too many", () => {
  const store = new SessionStore(2);
  const take = () => store.take()?.session.toString() ?? null;
  expect(take()).toBeNull();
  for (const [name, once] of [
    ["a", true],
    ["b", false],
    ["c", true],
  ] as const)
    store.keep(session(name, once));
  expect([take(), take(), take()]).toEqual(["c", "b", "b"]);
  store.keep(session("d", true));
  expect([take(), take()]).toEqual(["d", "b"]);
  store.forget();
  expect(take()).toBeNull();
});

test("those of a connection wait for the verdict on its peer, and go with it if that is turned away", () => {
  const store = new SessionStore(3);
  const take = () => store.take()?.session.toString() ?? null;
  store.keep(session("another's", false));
  const refused = new GainedSessions(store);
  refused.gain(session("before", true));
  refused.judged(false);
  refused.gain(session("after", true));
  expect(take()).toBe("another's");
  const trusted = new GainedSessions(store);
  trusted.gain(session("a", true));
  expect(take()).toBe("another's");
  trusted.judged(true);
  trusted.gain(session("b", true));
  expect([take(), take(), take()]).toEqual(["b", "a", "another's"]);
});
