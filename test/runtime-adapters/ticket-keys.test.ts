/** What seals session tickets: shared by the threads of a process, told apart by scope, and replaced in time. */
import { describe, expect, test } from "bun:test";
import { TicketKeys } from "../../runtime-adapters/ticket-keys.ts";
import { TicketSecrets } from "../../runtime-adapters/ticket-secrets.ts";

const name = (keys: TicketKeys) => Uint8Array.from(keys.current().name);
const all = ({ name, hmac, aes }: ReturnType<TicketKeys["current"]>) =>
  [name, hmac, aes].map((part) => Buffer.from(part).toString("hex"));

describe("keys of tickets", () => {
  test("are the same in every thread for one scope, and others for any other", () => {
    const secrets = TicketSecrets.create();
    const elsewhere = new TicketSecrets(secrets.memory);
    const here = new TicketKeys(secrets, "a");
    const there = new TicketKeys(elsewhere, "a");
    const stranger = new TicketKeys(secrets, "b");
    expect(all(there.current())).toEqual(all(here.current()));
    expect(all(there.current()).map((part) => part.length / 2)).toEqual([16, 32, 16]);
    expect(there.named(name(here))).not.toBeNull();
    expect(stranger.named(name(here))).toBeNull();
    for (const part of all(stranger.current())) expect(all(here.current())).not.toContain(part);
  });

  test("are others in each process", () => {
    const [one, another] = [0, 1].map(() => new TicketKeys(TicketSecrets.create(), "a"));
    expect(another.named(name(one))).toBeNull();
  });

  test("are replaced in every thread at once; the one before still opens, and then no more", () => {
    const secrets = TicketSecrets.create();
    const there = new TicketKeys(new TicketSecrets(secrets.memory), "a");
    const first = name(there);
    secrets.rotate();
    const second = name(there);
    expect(second).not.toEqual(first);
    expect(there.named(first)).not.toBeNull();
    expect(new TicketKeys(new TicketSecrets(secrets.memory), "a").named(first)).not.toBeNull();
    secrets.rotate();
    expect(there.named(first)).toBeNull();
    expect(there.named(second)).not.toBeNull();
  });
});

describe("secrets", () => {
  test("that are older than the one before the last are gone from memory", () => {
    const secrets = TicketSecrets.create();
    const held = () => Buffer.from(new Uint8Array(secrets.memory)).toString("latin1");
    const text = (turn: number) => Buffer.from(secrets.secret(turn) ?? []).toString("latin1");
    const first = text(1);
    expect(first.length).toBe(32);
    expect(held()).toContain(first);
    for (let turn = 2; turn < 9; turn++) {
      secrets.rotate();
      expect(secrets.turn).toBe(turn);
      expect(held()).toContain(text(turn));
      expect(held()).toContain(text(turn - 1));
      expect(held().includes(first)).toBe(turn === 2);
      expect([secrets.secret(turn + 1), secrets.secret(turn - 2)]).toEqual([null, null]);
    }
  });

  test("that are replaced while they are being read are not there", () => {
    const secrets = TicketSecrets.create();
    secrets.rotate();
    const read = new TicketSecrets(secrets.memory);
    const { bytes } = read as unknown as { bytes: Uint8Array };
    const slice = bytes.slice.bind(bytes);
    let during = () => secrets.rotate();
    bytes.slice = (...range) => {
      during();
      return slice(...range);
    };
    expect(read.secret(1)).toBeNull();
    during = () => {};
    expect(read.secret(2)).toEqual(secrets.secret(2));
    expect(read.secret(2)?.some((byte) => byte !== 0)).toBe(true);
  });
});
