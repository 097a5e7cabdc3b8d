/**
 * Host names through `node:dns`, which all three runtimes have. The name servers are asked first, because only
 * their answers have a time to live; names that they do not know ("localhost", /etc/hosts) go to `getaddrinfo`.
 *
 * Law: one answer per question, never before `resolve` returned, each a turn of the driver.
 */
import { type LookupAddress, lookup, Resolver as NameServers, type RecordWithTtl } from "node:dns";
import { isIP } from "node:net";
import type { LookupFamily, Resolution } from "../core/io/platform.ts";
import { ofFamily, wantsV4, wantsV6 } from "./lookup-family.ts";
import type { Turn } from "./turn.ts";

/** Per try and name server, ms; the resolver tries as often as `TRIES` says. */
const TIMEOUT = 2500;
const TRIES = 2;

interface Records {
  readonly ips: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  readonly error: string;
}

const NONE: Records = { ips: [], ttl: Number.POSITIVE_INFINITY, error: "" };

export class Resolver {
  private readonly turn: Turn;
  private readonly servers = new NameServers({ timeout: TIMEOUT, tries: TRIES });
  private closed = false;

  constructor(turn: Turn) {
    this.turn = turn;
  }

  resolve(hostname: string, family: LookupFamily, done: (result: Resolution) => void): void {
    const version = isIP(hostname);
    if (version !== 0) {
      const ips = [hostname];
      const addresses = version === 4 ? ofFamily(ips, [], family) : ofFamily([], ips, family);
      queueMicrotask(() => this.answer(done, { addresses, ttl: 0, error: "" }));
      return;
    }
    let v4 = NONE;
    let v6 = NONE;
    let waiting = (wantsV4(family) ? 1 : 0) + (wantsV6(family) ? 1 : 0);
    const arrived = () => {
      if (--waiting !== 0) return;
      const addresses = ofFamily(v4.ips, v6.ips, family);
      if (addresses.length === 0) {
        this.askSystem(hostname, family, v4.error || v6.error, done);
        return;
      }
      const ttl = Math.min(v4.ips.length > 0 ? v4.ttl : NONE.ttl, v6.ips.length > 0 ? v6.ttl : NONE.ttl);
      this.answer(done, { addresses, ttl: Number.isFinite(ttl) ? ttl * 1000 : 0, error: "" });
    };
    if (wantsV4(family)) {
      this.ask(4, hostname, (records) => {
        v4 = records;
        arrived();
      });
    }
    if (wantsV6(family)) {
      this.ask(6, hostname, (records) => {
        v6 = records;
        arrived();
      });
    }
  }

  /** No answers any more. */
  close(): void {
    this.closed = true;
    this.servers.cancel();
  }

  private ask(version: 4 | 6, hostname: string, done: (records: Records) => void): void {
    const arrived = (error: NodeJS.ErrnoException | null, records: RecordWithTtl[] | undefined) => {
      if (error !== null || records === undefined) {
        done({ ips: [], ttl: NONE.ttl, error: error?.code ?? "ENODATA" });
        return;
      }
      let ttl = NONE.ttl;
      for (const record of records) ttl = Math.min(ttl, record.ttl);
      done({ ips: records.map((record) => record.address), ttl, error: "" });
    };
    try {
      if (version === 4) this.servers.resolve4(hostname, { ttl: true }, arrived);
      else this.servers.resolve6(hostname, { ttl: true }, arrived);
    } catch (error) {
      // A name that the resolver's own checks refuse.
      queueMicrotask(() => arrived(error as NodeJS.ErrnoException, undefined));
    }
  }

  private askSystem(
    hostname: string,
    family: LookupFamily,
    error: string,
    done: (result: Resolution) => void,
  ): void {
    const arrived = (failure: NodeJS.ErrnoException | null, found: LookupAddress[] | undefined) => {
      if (failure !== null || found === undefined) {
        // What the name servers said is more precise than getaddrinfo's ENOTFOUND ("ETIMEOUT", "ESERVFAIL").
        const code = error !== "" && error !== "ENODATA" ? error : (failure?.code ?? "ENOTFOUND");
        this.answer(done, { addresses: [], ttl: 0, error: code });
        return;
      }
      const of = (version: number) => found.filter((a) => a.family === version).map((a) => a.address);
      const addresses = ofFamily(of(4), of(6), family);
      this.answer(done, { addresses, ttl: 0, error: addresses.length === 0 ? "ENOTFOUND" : "" });
    };
    try {
      lookup(hostname, { all: true }, arrived);
    } catch (failure) {
      queueMicrotask(() => arrived(failure as NodeJS.ErrnoException, undefined));
    }
  }

  private answer(done: (result: Resolution) => void, result: Resolution): void {
    if (this.closed) return;
    this.turn.begin();
    try {
      done(result);
    } catch (error) {
      this.turn.fault(error, null);
    }
    this.turn.finish();
  }
}
