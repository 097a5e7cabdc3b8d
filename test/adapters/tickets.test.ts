/** Session tickets on Node, the one runtime that can be told what to seal them with. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { COMMANDS } from "./runtimes.ts";

test("node: a session is resumed by contexts of its scope, in whichever worker, as long as its secret is known", async () => {
  const child = Bun.spawn([...COMMANDS.node, join(import.meta.dir, "ticket-probe.ts"), "node"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(errors).toBe("");
  const story = [
    "first: new client",
    "another one for it: resumed client",
    "another ticket",
    "another worker: resumed client",
    "another scope: new client",
    "a ticket that nobody has sealed: new client",
    "a ticket that somebody has changed: new client",
    "after a new secret: resumed client",
    "the same ticket",
    "that again: resumed client",
    "somebody new: new client",
    "the first, after two: new client",
    "its successor: new client",
    "whoever has come again and again: new client",
    "the one who was new: resumed client",
    "the same ticket",
    "briefly: new client",
    "briefly, in time: resumed client",
    "briefly, too late: new client",
  ];
  expect(JSON.parse(out)).toEqual({ "TLSv1.2": story, "TLSv1.3": story });
}, 60_000);
