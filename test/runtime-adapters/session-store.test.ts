/** Which sessions a client keeps, and which it uses. */
import { expect, test } from "bun:test";
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
