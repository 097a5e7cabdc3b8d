/** What the admin server refuses: other sites' scripts and forms, names that were re-bound to a loopback address. */
import { expect, test } from "bun:test";
import { adminApp } from "../../../runtime-adapters/sidecar/admin/admin-app.ts";
import type { AdminSource } from "../../../runtime-adapters/sidecar/admin/admin-source.ts";

let quits = 0;
const source = { state: "LIVE", quit: () => quits++ } as unknown as AdminSource;
const onLoopback = adminApp(source, true);
const onNetwork = adminApp(source, false);

async function status(
  app: typeof onLoopback,
  path: string,
  headers: { [name: string]: string },
  method = "GET",
) {
  return (await app.fetch(new Request(`http://x${path}`, { method, headers }))).status;
}

test.each([
  "127.0.0.1:9901",
  "localhost",
  "localhost:9901",
  "LOCALHOST:1",
  "[::1]:9901",
  "admin.localhost:9901",
])("on a loopback address, Host %s is served", async (host) => {
  expect(await status(onLoopback, "/ready", { host })).toBe(200);
});

test.each(["evil.example:9901", "localhost.evil.example", "127.0.0.1.evil.example", "tulle"])(
  "on a loopback address, Host %s is refused",
  async (host) => {
    expect(await status(onLoopback, "/ready", { host })).toBe(403);
    expect(await status(onLoopback, "/config_dump", { host })).toBe(403);
  },
);

test("on a network address a name is what one would use", async () => {
  expect(await status(onNetwork, "/ready", { host: "tulle.shop.svc:9901" })).toBe(200);
});

test.each(["https://evil.example", "http://localhost:3000", "null"])(
  "a request from %s does nothing",
  async (origin) => {
    for (const app of [onLoopback, onNetwork]) {
      expect(await status(app, "/quitquitquit", { host: "localhost:9901", origin }, "POST")).toBe(403);
    }
    expect(quits).toBe(0);
  },
);

test("the buttons of the admin's own page work", async () => {
  const headers = { host: "localhost:9901", origin: "http://localhost:9901" };
  expect(await status(onLoopback, "/quitquitquit", headers, "POST")).toBe(200);
  expect(quits).toBe(1);
});

test("a page that fails says so and does not end the process", async () => {
  expect(await status(onLoopback, "/clusters", { host: "localhost" })).toBe(500);
});
