/**
 * What every runtime adapter must do, case by case: the laws of `core/io/socket.ts` and
 * `runtime-adapters/runtime.ts`. The same list runs on Bun, Node, Deno and in memory; see compliance.test.ts.
 */
import { at } from "../../runtime-adapters/memory/network.ts";
import { ListenError, type RuntimeName } from "../../runtime-adapters/runtime.ts";
import { bytes, check, equal, type Lab, NO_OPTIONS, Probe, pattern, patternAt } from "./lab.ts";

export interface Case {
  readonly name: string;
  /** Runtimes that the case does not apply to, each with the reason. */
  readonly except?: { readonly [runtime in RuntimeName]?: string };
  /** Why it does not apply to sockets that are TLS. */
  readonly exceptTls?: string;
  run(lab: Lab): Promise<void>;
}

const MIB = 1024 * 1024;
const CHUNK = 64 * 1024;
/** How late an alarm may be on a busy machine, ms. It is never early. */
const LATE = 300;

/** A well-behaved source of `total` pattern bytes: it stops when blocked and goes on when drained. */
class Source {
  /** Bytes of the pattern so far, `from` what came before them included. */
  sent: number;
  mostPending = 0;
  private readonly probe: Probe;
  private readonly total: number;

  constructor(probe: Probe, total: number, from = 0) {
    this.probe = probe;
    this.sent = from;
    this.total = from + total;
    probe.whenDrained = () => this.push();
  }

  /** Writes a few chunks (a source that is itself fed by a socket has no more at hand), and FIN after the last. */
  push(): void {
    if (this.sent === this.total) return;
    for (let i = 0; i < 4 && this.sent < this.total && !this.probe.blocked; i++) {
      const length = Math.min(CHUNK, this.total - this.sent);
      this.probe.write(pattern(this.sent, length));
      this.sent += length;
    }
    this.mostPending = Math.max(this.mostPending, this.probe.socket.pendingBytes);
    if (this.sent === this.total) this.probe.socket.end();
  }
}

/** Checks every byte against the pattern (after `from` bytes) as it comes, and keeps none. */
function verify(probe: Probe, from = 0): void {
  probe.keep = false;
  let position = from;
  probe.whenData = (chunk) => {
    for (let i = 0; i < chunk.length; i++) {
      if (chunk[i] !== patternAt(position + i)) throw new Error(`wrong byte at ${position + i}`);
    }
    position += chunk.length;
  };
}

/** Has all of them write what they may. Always true. */
function pushAll(sources: readonly Source[]): boolean {
  for (const source of sources) source.push();
  return true;
}

/** Where the pattern of the i-th of several connections begins: so bytes of another one show. */
const origin = (i: number) => i * 1_000_003;

export const cases: readonly Case[] = [
  // ── Bytes ─────────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: "echo",
    async run(lab) {
      const { client, server, near } = await lab.pair(undefined, (probe) => {
        probe.whenData = (chunk) => probe.socket.write(chunk, 0, chunk.length);
      });
      near.run(() => client.write("hello"));
      await lab.until(() => client.bytes === 5, "the echo");
      equal(client.text, "hello", "echo");
      equal(client.events, ["connect", "data"], "client's events");
      equal(server.events, ["data"], "server's events: an accepted connection gets no onConnect");
    },
  },
  {
    name: "write sends the range that it was given, and an empty one is nothing",
    async run(lab) {
      const { client, server, near } = await lab.pair();
      near.run(() => {
        client.socket.write(bytes("0123456789"), 3, 6);
        client.socket.write(bytes("0123456789"), 4, 4);
        client.socket.write(bytes("0123456789"), 9, 10);
      });
      await lab.until(() => server.bytes >= 4, "bytes");
      await lab.settle(10);
      equal(server.text, "3459", "received");
    },
  },
  {
    name: "writes of one turn leave in order, however many and however long",
    async run(lab) {
      const { client, server, near } = await lab.pair();
      verify(server);
      let total = 0;
      near.run(() => {
        for (let i = 0; i < 300; i++) {
          const length = i % 7 === 0 ? 5000 + i : (i % 13) + 1;
          client.write(pattern(total, length));
          total += length;
        }
      });
      await lab.until(() => server.bytes === total, `${total} bytes`);
      equal(lab.logged, [], "faults");
    },
  },
  {
    name: "writes of one turn arrive in one piece",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      const write = (probe: Probe) => {
        probe.write("HTTP/1.1 200 OK\r\n\r\n");
        probe.write("a body");
        probe.write(" and more");
      };
      far.run(() => write(server));
      await lab.until(() => client.bytes > 0, "bytes");
      equal(client.chunks.length, 1, "chunks of the answer");
      equal(client.text, "HTTP/1.1 200 OK\r\n\r\na body and more", "answer");
      near.run(() => write(client));
      await lab.until(() => server.bytes === client.bytes, "bytes");
      // Deno tells no descriptor of a dialled connection, so there pieces go one by one.
      if (lab.runtime.name !== "deno") equal(server.chunks.length, 1, "chunks of the request");
    },
  },
  {
    name: "a chunk belongs to the core for ever: later reads do not touch it",
    async run(lab) {
      const { client, server, near } = await lab.pair();
      for (let i = 0; i < 200; i++) {
        near.run(() => client.write(pattern(i * 100, 100)));
        await lab.until(() => server.bytes === (i + 1) * 100, "100 bytes");
      }
      let position = 0;
      for (const chunk of server.chunks) {
        for (const byte of chunk) check(byte === patternAt(position++), `byte ${position - 1} changed`);
      }
    },
  },
  {
    name: "what is kept stays as it is, however much comes on other connections",
    async run(lab) {
      const total = 2 * MIB;
      const near = lab.driver();
      const far = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"));
      const sources: Source[] = [];
      for (let i = 0; i < 4; i++) {
        const client = lab.dial(near, listener.address);
        await lab.until(() => client.connected && accepted.length === i + 1, "a connection");
        sources.push(new Source(client, total, origin(i)));
      }
      const arrived = (probe: Probe) => probe.ended;
      await lab.until(() => near.run(() => pushAll(sources)) && accepted.every(arrived), "all of it", 20_000);
      accepted.forEach((probe, i) => {
        let position = origin(i);
        for (const chunk of probe.chunks) {
          for (const byte of chunk)
            check(byte === patternAt(position++), `byte ${position - 1} of ${i} changed`);
        }
        equal(position, origin(i) + total, `bytes of ${i}`);
      });
    },
  },
  {
    name: "what is passed on arrives as it came, whether the next peer reads or not, and whoever else sends",
    async run(lab) {
      const total = 16 * MIB;
      const relay = lab.driver();
      const near = lab.driver();
      const far = lab.driver();
      const behind = await lab.listen(far, at("127.0.0.1:0"));
      const before = await lab.listen(relay, at("127.0.0.1:0"), NO_OPTIONS, (inner) => {
        inner.keep = false;
        inner.socket.pause();
        const outer = new Probe();
        outer.socket = relay.platform.connect(behind.listener.address, outer);
        outer.whenConnected = () => {
          inner.passing = outer.socket.direct === true ? Number.POSITIVE_INFINITY : 0;
          inner.socket.resume();
        };
        inner.whenData = (chunk) => outer.socket.write(chunk, 0, chunk.length);
        inner.whenEnded = () => outer.socket.end();
        outer.whenBlocked = () => inner.socket.pause();
        outer.whenDrained = () => inner.socket.resume();
      });
      const sources: Source[] = [];
      for (let i = 0; i < 5; i++) {
        const client = lab.dial(near, before.listener.address);
        await lab.until(() => client.connected && behind.accepted.length === i + 1, "a connection");
        verify(behind.accepted[i], origin(i));
        sources.push(new Source(client, total, origin(i)));
      }
      const arrived = (probe: Probe) => probe.ended;
      for (let i = 0; i < 20; i++) {
        behind.accepted.forEach(({ socket }, k) => {
          far.run(() => ((i + k) % 3 === 0 ? socket.resume() : socket.pause()));
        });
        near.run(() => pushAll(sources));
        await lab.settle(3);
      }
      far.run(() => {
        for (const { socket } of behind.accepted) socket.resume();
      });
      const all = () => near.run(() => pushAll(sources)) && behind.accepted.every(arrived);
      await lab.until(all, "all of it", 20_000);
      equal(
        behind.accepted.map((probe) => probe.bytes),
        Array(5).fill(total),
        "bytes",
      );
      equal(lab.logged, [], "faults");
    },
  },
  {
    name: "writes made before the connection is up are sent when it is",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"));
      const client = new Probe();
      near.run(() => {
        client.socket = near.platform.connect(listener.address, client);
        client.write("early ");
        client.write("bird");
        client.socket.end();
      });
      await lab.until(() => accepted[0]?.ended === true, "FIN");
      equal(accepted[0].text, "early bird", "received");
    },
  },

  {
    name: "keepAlive is welcome at any time, on any socket, and harms none",
    async run(lab) {
      const options = { time: 30, interval: 5, probes: 3 };
      const far = lab.driver();
      const near = lab.driver();
      const addresses = lab.network === null ? [at("127.0.0.1:0"), lab.unixAddress()] : [at("127.0.0.1:0")];
      for (const address of addresses) {
        const { listener, accepted } = await lab.listen(far, address);
        const client = lab.dial(near, listener.address);
        near.run(() => client.socket.keepAlive(options));
        await lab.until(() => client.connected && accepted.length === 1, "a connection");
        const [server] = accepted;
        far.run(() => server.socket.keepAlive({ time: 0, interval: 0, probes: 0 }));
        near.run(() => {
          client.socket.keepAlive(options);
          client.write("hello");
        });
        await lab.until(() => server.bytes === 5, "bytes");
        near.run(() => {
          client.socket.close();
          client.socket.keepAlive(options);
        });
        await lab.until(() => client.closed && server.ended, "the end");
        near.run(() => client.socket.keepAlive(options));
      }
      equal(lab.logged, [], "faults, and what this runtime cannot do");
    },
  },

  {
    name: "keepAlive that the kernel refuses is told as just that",
    except: {
      memory: "there is no kernel",
      node: "Node tells nobody what the kernel said",
    },
    async run(lab) {
      if (process.platform !== "linux") return; // other kernels have other limits
      const far = lab.driver();
      const near = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"));
      const client = lab.dial(near, listener.address);
      await lab.until(() => client.connected && accepted.length === 1, "a connection");
      near.run(() => client.socket.keepAlive({ time: 100_000, interval: 5, probes: 300 }));
      equal(
        lab.logged.splice(0),
        [
          "warning connection TCP keepalive: the kernel refused time (100000), probes (300); there the system's own value holds",
        ],
        "what is told",
      );
      near.run(() => client.write("hello"));
      await lab.until(() => accepted[0].bytes === 5, "bytes");
    },
  },

  // ── Back-pressure ─────────────────────────────────────────────────────────────────────────────────────────
  {
    name: "10 MiB both ways past slow readers: blocked, drained, complete, and little held here",
    async run(lab) {
      const total = 10 * MIB;
      const { client, server, near, far } = await lab.pair();
      verify(client);
      verify(server);
      near.run(() => client.socket.pause());
      far.run(() => server.socket.pause());
      const up = new Source(client, total);
      const down = new Source(server, total);
      await lab.until(() => {
        near.run(() => up.push());
        far.run(() => down.push());
        return client.blocked && server.blocked;
      }, "both blocked");
      check(client.socket.pendingBytes > 0, "a blocked socket has bytes pending");
      for (let i = 0; i < 5; i++) {
        await lab.settle(5);
        near.run(() => (i % 2 === 0 ? client.socket.resume() : client.socket.pause()));
        far.run(() => (i % 2 === 0 ? server.socket.resume() : server.socket.pause()));
      }
      near.run(() => client.socket.resume());
      far.run(() => server.socket.resume());
      await lab.until(
        () => {
          near.run(() => up.push());
          far.run(() => down.push());
          return client.closed && server.closed;
        },
        "both done",
        20_000,
      );
      equal([server.bytes, client.bytes], [total, total], "bytes received");
      equal([client.reason, server.reason], ["", ""], "reasons");
      equal(lab.logged, [], "faults");
      check(up.mostPending <= 8 * CHUNK, `client held ${up.mostPending} bytes`);
      check(down.mostPending <= 8 * CHUNK, `server held ${down.mostPending} bytes`);
      equal([client.socket.pendingBytes, server.socket.pendingBytes], [0, 0], "pending at the end");
    },
  },
  {
    name: "one 10 MiB write is blocked once and drained once",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      verify(server);
      far.run(() => server.socket.pause());
      near.run(() => client.write(pattern(0, 10 * MIB)));
      if (lab.runtime.name === "deno") near.run(() => client.write(new Uint8Array(0)));
      await lab.until(() => client.socket.pendingBytes > 0, "pending bytes");
      far.run(() => server.socket.resume());
      await lab.until(() => server.bytes === 10 * MIB, "10 MiB", 20_000);
      await lab.until(() => client.socket.pendingBytes === 0 && !client.blocked, "drain");
      equal(client.events, ["connect", "blocked", "drain"], "events");
    },
  },
  {
    name: "pendingBytes tells how far one long write has come",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      far.run(() => server.socket.pause());
      near.run(() => client.write(pattern(0, 20 * MIB)));
      await lab.until(() => client.blocked, "blocked");
      await lab.settle();
      const before = client.socket.pendingBytes;
      server.keep = false;
      server.whenData = () => {
        const now = client.socket.pendingBytes;
        if (now < before && now !== 0) server.socket.pause();
      };
      far.run(() => server.socket.resume());
      await lab.until(() => client.socket.pendingBytes < before, "progress");
      check(client.socket.pendingBytes !== 0, "nothing is told between all and nothing");
    },
  },
  {
    name: "pause stops onData, resume brings what was waiting, in order",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      near.run(() => client.write("one "));
      await lab.until(() => server.bytes === 4, "the first bytes");
      far.run(() => {
        server.socket.pause();
        server.socket.pause();
      });
      await lab.settle(20);
      near.run(() => client.write("two "));
      await lab.settle();
      // A runtime that had already asked the kernel may deliver what was in flight, once.
      const inFlight = server.bytes;
      near.run(() => client.write("three"));
      await lab.settle();
      equal(server.bytes, inFlight, "bytes while paused");
      far.run(() => {
        server.socket.resume();
        server.socket.resume();
      });
      await lab.until(() => server.bytes === 13, "the rest");
      equal(server.text, "one two three", "received");
    },
  },
  {
    name: "pause in accept and before the connection is up holds from the first byte",
    exceptTls: "what came together with the end of the handshake is the chunk in flight",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"), NO_OPTIONS, (probe) => {
        probe.socket.pause();
        probe.write("greeting");
      });
      const client = new Probe();
      near.run(() => {
        client.socket = near.platform.connect(listener.address, client);
        client.socket.pause();
        client.write("request");
      });
      await lab.until(() => client.connected && accepted.length === 1, "a connection");
      await lab.settle();
      equal([client.bytes, accepted[0].bytes], [0, 0], "bytes while paused");
      near.run(() => client.socket.resume());
      far.run(() => accepted[0].socket.resume());
      await lab.until(() => client.bytes === 8 && accepted[0].bytes === 7, "both greetings");
    },
  },
  {
    name: "pause inside onData holds the next chunk",
    async run(lab) {
      const { client, server, near, far } = await lab.pair(undefined, (probe) => {
        probe.whenData = () => probe.socket.pause();
      });
      near.run(() => client.write(pattern(0, 4 * MIB)));
      await lab.until(() => server.bytes > 0, "a chunk");
      await lab.settle();
      const before = server.bytes;
      check(before < 4 * MIB, "paused after the first chunk");
      await lab.settle();
      equal(server.bytes, before, "bytes while paused");
      server.whenData = null;
      far.run(() => server.socket.resume());
      await lab.until(() => server.bytes === 4 * MIB, "the rest");
    },
  },
  {
    name: "FIN behind unread bytes waits for them",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      far.run(() => {
        server.socket.pause();
        server.socket.end(); // with both directions shut, a runtime must not take "hung up" for "nothing to read"
      });
      await lab.until(() => client.ended, "the server's FIN");
      near.run(() => {
        client.write(pattern(0, 300_000));
        client.socket.end();
      });
      await lab.settle();
      equal(server.ended, false, "end seen while paused");
      far.run(() => server.socket.resume());
      await lab.until(() => server.closed, "the end");
      equal([server.bytes, server.reason], [300_000, ""], "received");
      equal(server.events, ["data", "end", "close:"], "events");
    },
  },

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: "half-close by the client: the server still answers",
    async run(lab) {
      const { client, server, near } = await lab.pair(undefined, (probe) => {
        probe.whenEnded = () => {
          probe.write(pattern(0, 100_000));
          probe.socket.end();
        };
      });
      verify(client);
      near.run(() => {
        client.write("request");
        client.socket.end();
        client.socket.end();
      });
      await lab.until(() => client.closed && server.closed, "both closed");
      equal([server.text, client.bytes], ["request", 100_000], "received");
      equal(client.events, ["connect", "data", "end", "close:"], "client's events");
      equal(
        server.events.filter((event) => event !== "blocked" && event !== "drain"),
        ["data", "end", "close:"],
        "server's events",
      );
    },
  },
  {
    name: "half-close by the server: the client still sends",
    async run(lab) {
      const { client, server, near } = await lab.pair(undefined, (probe) => {
        probe.write("enough");
        probe.socket.end();
      });
      await lab.until(() => client.ended, "FIN");
      await lab.settle();
      equal(client.closed, false, "closed by a half-close");
      near.run(() => {
        client.write("but listen");
        client.socket.end();
      });
      await lab.until(() => client.closed && server.closed, "both closed");
      equal([client.text, server.text], ["enough", "but listen"], "received");
      equal([client.reason, server.reason], ["", ""], "reasons");
    },
  },
  {
    name: "end sends FIN after everything that was queued, blocked or not",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      verify(server);
      far.run(() => server.socket.pause());
      near.run(() => {
        client.write(pattern(0, 10 * MIB));
        client.socket.end();
        client.write("too late");
      });
      await lab.settle();
      far.run(() => server.socket.resume());
      await lab.until(() => server.ended, "FIN", 20_000);
      equal(server.bytes, 10 * MIB, "bytes before FIN");
    },
  },
  {
    name: "finish closes after everything that was queued, without the peer's FIN",
    async run(lab) {
      for (const size of [5, 10 * MIB]) {
        const { client, server, near, far } = await lab.pair();
        far.run(() => server.socket.pause());
        near.run(() => {
          client.write(pattern(0, size));
          client.socket.finish();
          client.socket.finish();
        });
        await lab.settle();
        if (size > MIB) equal(client.closed, false, "closed while blocked");
        far.run(() => server.socket.resume());
        await lab.until(() => client.closed && server.ended, "close");
        await lab.until(() => server.bytes === size, "all bytes");
        equal([client.reason, client.ended], ["", false], "client");
        far.run(() => server.socket.close());
      }
    },
  },
  {
    name: "close lets go of what was queued and the kernel takes at once",
    async run(lab) {
      const { client, server, near } = await lab.pair();
      near.run(() => {
        client.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        client.write("go away");
        client.socket.close();
        client.socket.close();
        client.write("not this");
      });
      equal(client.closed, true, "closed when the turn is over");
      await lab.until(() => server.ended || server.closed, "FIN");
      equal(server.text, "HTTP/1.1 400 Bad Request\r\n\r\ngo away", "received");
      equal(client.events, ["connect", "close:"], "client's events");
    },
  },
  {
    name: "what the core dials while its driver closes is closed, too, and it is not asked again",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"));
      const client = lab.dial(near, listener.address);
      await lab.until(() => client.connected && accepted.length === 1, "a connection");
      const dialled: Probe[] = [];
      const again = () => {
        const probe = new Probe();
        probe.whenClosed = again;
        dialled.push(probe);
        probe.socket = near.platform.connect(listener.address, probe);
      };
      client.whenClosed = again;
      near.close();
      equal(client.closed, true, "the connection that was there closed");
      await lab.settle();
      equal(
        accepted.filter((probe) => !probe.closed && !probe.ended).length,
        0,
        "connections open afterwards",
      );
      equal([dialled.length, dialled[0].connected], [1, false], "dialled, connected");
    },
  },
  {
    name: "close in onData: nothing but onClose follows, once",
    async run(lab) {
      const { client, server, near } = await lab.pair(undefined, (probe) => {
        probe.whenData = () => probe.socket.close();
      });
      near.run(() => client.write(pattern(0, 2 * MIB)));
      await lab.until(() => server.closed && (client.closed || client.ended), "the end on both sides");
      await lab.settle();
      equal(server.events, ["data", "close:"], "server's events");
    },
  },
  {
    name: "reset arrives as ECONNRESET, and drops what was queued",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      far.run(() => {
        server.write("never sent");
        server.socket.reset();
        server.socket.reset();
      });
      await lab.until(() => client.closed && server.closed, "both closed");
      equal(client.bytes, 0, "bytes received");
      equal(server.events, ["close:"], "server's events");
      equal(client.reason, "ECONNRESET", "client's reason");
      near.run(() => client.socket.reset());
    },
  },
  {
    name: "what an earlier turn wrote is not taken back by a reset in the same poll",
    except: { memory: "its resets drop what was not read" },
    async run(lab) {
      const far = lab.driver();
      const middle = lab.driver();
      const near = lab.driver();
      const origin = await lab.listen(far, at("127.0.0.1:0"), NO_OPTIONS, (probe) => {
        probe.whenData = () => probe.write("last words");
      });
      const relay = await lab.listen(middle, at("127.0.0.1:0"), NO_OPTIONS, (probe) => {
        const upstream = new Probe();
        upstream.socket = middle.platform.connect(origin.listener.address, upstream);
        upstream.write("go");
        upstream.whenData = (chunk) => {
          probe.socket.write(chunk, 0, chunk.length);
          queueMicrotask(() => middle.run(() => probe.socket.reset()));
        };
      });
      const client = lab.dial(near, relay.listener.address);
      await lab.until(() => client.closed || client.ended, "the end");
      equal(client.text, "last words", "received");
    },
  },
  {
    name: "a reset that comes while paused is no orderly end",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      near.run(() => {
        client.socket.pause();
        client.socket.end(); // the proxy has sent its request and waits
      });
      await lab.until(() => server.ended, "FIN");
      far.run(() => server.write("half an ans"));
      await lab.settle(10);
      far.run(() => server.socket.reset());
      await lab.settle(20);
      near.run(() => client.socket.resume());
      await lab.until(() => client.closed || client.ended, "the end");
      equal(client.ended, false, "an orderly end");
      equal(client.reason, "ECONNRESET", "reason");
    },
  },
  {
    name: "a reset right behind a FIN closes all the same",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      near.run(() => client.socket.end());
      near.run(() => client.socket.reset());
      equal([client.closed, client.reason], [true, ""], "client");
      for (let i = 0; i < 100 && !server.closed; i++) {
        far.run(() => server.write("anybody there?"));
        await lab.settle(2);
      }
      equal(server.closed, true, "the peer hears of it");
    },
  },
  {
    name: "reset of a blocked socket lets go at once",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      far.run(() => server.socket.pause());
      near.run(() => client.write(pattern(0, 10 * MIB)));
      await lab.settle(20);
      near.run(() => client.socket.reset());
      equal([client.closed, client.reason, client.socket.pendingBytes], [true, "", 0], "client");
      far.run(() => server.socket.resume());
      await lab.until(() => server.closed || server.ended, "the server hears of it");
    },
  },
  {
    name: "writing to a peer that went away ends in onClose with a reason",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      far.run(() => server.socket.close());
      await lab.until(() => client.ended, "FIN");
      let reason = "";
      for (let i = 0; i < 200 && !client.closed; i++) {
        near.run(() => client.write("anybody there?"));
        await lab.settle(2);
      }
      await lab.until(() => client.closed, "close");
      reason = client.reason;
      check(reason === "ECONNRESET" || reason === "EPIPE", `reason "${reason}"`);
    },
  },
  {
    name: "writing to a peer that reset ends in onClose even while nothing is read",
    except: { memory: "its resets are told at once" },
    async run(lab) {
      for (const pieces of [1, 3]) {
        for (const unread of [false, true]) {
          for (const address of [undefined, lab.unixAddress()]) {
            const { client, server, near, far } = await lab.pair(address);
            far.run(() => server.socket.pause());
            if (unread) near.run(() => client.write("sent ahead"));
            await lab.settle(5);
            near.run(() => client.socket.reset());
            far.run(() => {
              for (let i = 0; i < pieces; i++) server.write("anybody there?");
            });
            await lab.settle(5);
            far.run(() => {
              for (let i = 0; i < pieces; i++) server.write("anybody there?");
            });
            const what = `close, ${pieces} pieces, unread ${unread}, ${address?.path ?? "tcp"}`;
            await lab.until(() => server.closed, what, 1000);
            check(server.reason === "ECONNRESET" || server.reason === "EPIPE", `reason "${server.reason}"`);
          }
        }
      }
    },
  },
  {
    name: "an answer that came before a reset is read, though a write meets the reset first",
    except: {
      memory: "its resets drop what was not read",
      deno: "a write that fails ends the connection",
    },
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      for (let i = 0; i < 2; i++) {
        far.run(() => server.write("body"));
        if (i === 0) {
          near.run(() => client.write("too large"));
          near.run(() => client.socket.reset());
        }
      }
      await lab.until(() => server.closed, "close");
      equal(server.text, "too large", "the answer");
      check(server.reason === "ECONNRESET" || server.reason === "EPIPE", `reason "${server.reason}"`);
      equal(server.ended, false, "an orderly end");
    },
  },
  {
    name: "everything is harmless and idempotent after the end",
    async run(lab) {
      const { client, server, near, far } = await lab.pair();
      near.run(() => client.socket.close());
      await lab.until(() => client.closed, "close");
      for (const driver of [near, far]) {
        const { socket } = driver === near ? client : server;
        driver.run(() => {
          for (let i = 0; i < 2; i++) {
            socket.write(bytes("x"), 0, 1);
            socket.pause();
            socket.resume();
            socket.end();
            socket.close();
            socket.reset();
          }
        });
        check(socket.pendingBytes === 0, "nothing pending");
        check(typeof socket.remote.ip === "string" && typeof socket.local.ip === "string", "addresses");
      }
      await lab.settle();
      equal(client.events, ["connect", "close:"], "client's events");
      equal(server.events.filter((e) => e.startsWith("close")).length, 1, "server's closes");
      equal([near.faults, far.faults], [0, 0], "faults");
    },
  },

  // ── Dialling ──────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: "nothing is called before connect returned",
    async run(lab) {
      const near = lab.driver();
      const far = lab.driver();
      const { listener } = await lab.listen(far, at("127.0.0.1:0"));
      const targets = [listener.address, at("127.0.0.1:1"), at(`${lab.folder}/none.sock`)];
      const probes = targets.map(() => new Probe());
      near.run(() => {
        targets.forEach((to, i) => {
          probes[i].socket = near.platform.connect(to, probes[i]);
          equal(probes[i].events, [], `events of ${i} inside the turn`);
        });
      });
      await lab.until(() => probes.every((p) => p.connected || p.closed), "three outcomes");
      equal(
        probes.map((p) => p.events),
        [["connect"], ["close:ECONNREFUSED"], ["close:ENOENT"]],
        "events",
      );
    },
  },
  {
    name: "a dial that the core gives up on ends in onClose, and leaves no connection behind",
    async run(lab) {
      const near = lab.driver();
      const far = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"));
      const atOnce = new Probe();
      const later = new Probe();
      near.run(() => {
        atOnce.socket = near.platform.connect(listener.address, atOnce);
        atOnce.socket.close();
        later.socket = near.platform.connect(listener.address, later);
      });
      near.run(() => later.socket.reset());
      await lab.settle();
      for (const probe of [atOnce, later]) {
        equal(probe.events.at(-1), "close:", "last event");
      }
      await lab.until(() => accepted.every((probe) => probe.closed || probe.ended), "no zombie");
    },
  },
  {
    name: "addresses of both sides agree",
    async run(lab) {
      const { client, server, listener } = await lab.pair();
      equal(client.socket.remote, listener.address, "client's remote");
      equal(server.socket.local, listener.address, "server's local");
      equal(server.socket.remote, client.socket.local, "server's remote");
      check(client.socket.local.port > 0, "a port of its own");
    },
  },
  {
    name: "an accepted connection that is gone still knows both addresses, asked for or not",
    async run(lab) {
      for (const listen of ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"]) {
        const far = lab.driver();
        const near = lab.driver();
        const { listener, accepted } = await lab.listen(far, at(listen));
        const ip = listen.startsWith("0") ? "127.0.0.1" : listener.address.ip;
        const client = lab.dial(near, { ...listener.address, ip });
        await lab.until(() => accepted.length === 1 && client.connected, "a connection");
        const from = client.socket.local;
        near.run(() => client.socket.reset());
        await lab.until(() => accepted[0].closed || accepted[0].ended, "its end"); // Deno may say FIN for RST
        far.run(() => accepted[0].socket.close());
        equal(accepted[0].socket.local, { ip, port: listener.address.port, path: "" }, `${listen}: local`);
        equal(accepted[0].socket.remote, from, `${listen}: remote`);
      }
    },
  },
  {
    name: "IPv6",
    async run(lab) {
      const { client, server, listener, near } = await lab.pair(at("[::1]:0"));
      equal(listener.address.ip, "::1", "listener");
      equal(server.socket.remote, client.socket.local, "server's remote");
      near.run(() => client.write("six"));
      await lab.until(() => server.text === "six", "bytes");
    },
  },
  {
    name: "[::] is IPv6 only, and 0.0.0.0 can have the same port",
    except: { deno: "its listeners cannot be made IPv6 only; see the next case" },
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const six = await lab.listen(far, at("[::]:0"));
      const { port } = six.listener.address;
      const toSix = lab.dial(near, at(`[::1]:${port}`));
      const refused = lab.dial(near, at(`127.0.0.1:${port}`));
      await lab.until(() => toSix.connected && (refused.closed || refused.connected), "two outcomes");
      equal(refused.events, ["close:ECONNREFUSED"], "IPv4 to an IPv6 listener");
      const four = await lab.listen(far, at(`0.0.0.0:${port}`));
      const toFour = lab.dial(near, at(`127.0.0.1:${port}`));
      await lab.until(() => toFour.connected && four.accepted.length === 1, "IPv4");
      equal(four.accepted[0].socket.local.ip, "127.0.0.1", "the address that was dialled");
    },
  },
  {
    name: "the core never sees IPv4 on [::]",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("[::]:0"));
      const four = lab.dial(near, at(`127.0.0.1:${listener.address.port}`));
      await lab.until(() => four.ended || four.closed, "an end of the IPv4 connection");
      equal(accepted.length, 0, "accepted");
    },
  },
  {
    name: "Unix sockets: echo, half-close, reset",
    async run(lab) {
      const address = lab.unixAddress();
      const { client, server, near, listener } = await lab.pair(address, (probe) => {
        probe.whenData = (chunk) => probe.socket.write(chunk, 0, chunk.length);
        probe.whenEnded = () => probe.socket.end();
      });
      equal(
        [listener.address, server.socket.local, client.socket.remote],
        [address, address, address],
        "path",
      );
      near.run(() => {
        client.write("head ");
        client.write("body");
        client.socket.end();
      });
      await lab.until(() => client.closed && server.closed, "both closed");
      equal([client.text, client.reason, server.reason], ["head body", "", ""], "echo");
      const second = lab.dial(near, address);
      await lab.until(() => second.connected, "a second connection");
      near.run(() => second.socket.reset());
      equal(second.events, ["connect", "close:"], "reset");
    },
  },
  {
    name: "a Unix socket left by a dead process is replaced, and gets its mode",
    except: { memory: "no files" },
    async run(lab) {
      const address = lab.unixAddress();
      const { statSync, writeFileSync } = await import("node:fs");
      const net = await import("node:net");
      await new Promise<void>((resolve) => {
        // A socket file without a listener: bound by hand, then renamed away from its owner.
        const server = net.createServer().listen(`${address.path}.old`, () => {
          import("node:fs").then(({ renameSync }) => {
            renameSync(`${address.path}.old`, address.path);
            server.close(() => resolve());
          });
        });
      });
      check(statSync(address.path).isSocket(), "the stale socket is there");
      const driver = lab.driver();
      const { listener, accepted } = await lab.listen(driver, address, { ...NO_OPTIONS, mode: 0o600 });
      equal(statSync(address.path).mode & 0o777, 0o600, "mode");
      const client = lab.dial(driver, address);
      await lab.until(() => client.connected && accepted.length === 1, "a connection");
      listener.stop();

      const file = lab.unixAddress();
      writeFileSync(file.path, "precious");
      const failure = await driver.listen(file, NO_OPTIONS, () => null).catch((error) => error);
      check(failure instanceof ListenError, "a file in the way is an error");
      equal(statSync(file.path).size, 8, "and stays as it is");
    },
  },
  {
    name: "abstract Unix sockets",
    except: { memory: "no namespace of files" },
    async run(lab) {
      if (process.platform !== "linux") return;
      const { client, server, near } = await lab.pair(at(`@tulle-${process.pid}-${lab.runtime.name}`));
      near.run(() => client.write("abstract"));
      await lab.until(() => server.text === "abstract", "bytes");
    },
  },
  {
    name: "400 sockets at once",
    async run(lab) {
      const near = lab.driver();
      const far = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"), NO_OPTIONS, (probe) => {
        probe.whenData = (chunk) => probe.socket.write(chunk, 0, chunk.length);
        probe.whenEnded = () => probe.socket.end();
      });
      const clients: Probe[] = [];
      near.run(() => {
        for (let i = 0; i < 400; i++) {
          const probe = new Probe();
          probe.socket = near.platform.connect(listener.address, probe);
          probe.write(`number ${i}`);
          probe.socket.end();
          clients.push(probe);
        }
      });
      await lab.until(() => clients.every((probe) => probe.closed), "all echoes", 15_000);
      clients.forEach((probe, i) => {
        equal([probe.text, probe.reason], [`number ${i}`, ""], `client ${i}`);
      });
      await lab.until(() => accepted.length === 400 && accepted.every((probe) => probe.closed), "all closed");
    },
  },

  // ── Listening ─────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: "a port in use is EADDRINUSE, an address of another host EADDRNOTAVAIL",
    async run(lab) {
      const driver = lab.driver();
      const { listener } = await lab.listen(driver, at("127.0.0.1:0"));
      check(listener.address.port > 0, "a real port");
      const failure = await driver.listen(listener.address, NO_OPTIONS, () => null).catch((error) => error);
      check(failure instanceof ListenError, `a ListenError, not ${failure}`);
      equal([failure.code, failure.address], ["EADDRINUSE", listener.address], "error");
      if (lab.network !== null) return;
      const elsewhere = await driver.listen(at("192.0.2.1:0"), NO_OPTIONS, () => null).catch((e) => e);
      check(elsewhere instanceof ListenError, `a ListenError, not ${elsewhere}`);
      equal(elsewhere.code, "EADDRNOTAVAIL", "error");
      const folder = await driver
        .listen(at("/nonexistent/x.sock"), NO_OPTIONS, () => null)
        .catch((error) => error);
      check(folder instanceof ListenError, `a ListenError, not ${folder}`);
      check(["ENOENT", "EACCES"].includes(folder.code), `code ${folder.code}`);
    },
  },
  {
    name: "stop frees the port while connections live on",
    async run(lab) {
      const { client, server, listener, near, far } = await lab.pair();
      listener.stop();
      listener.stop();
      await lab.settle(20);
      const late = lab.dial(near, listener.address);
      await lab.until(() => late.closed, "refusal");
      equal(late.reason, "ECONNREFUSED", "reason");
      near.run(() => client.write("still here"));
      await lab.until(() => server.text === "still here", "bytes");
      const again = await lab.listen(far, listener.address);
      const anew = lab.dial(near, listener.address);
      await lab.until(
        () => anew.connected && again.accepted.length === 1,
        "a connection to the new listener",
      );
      near.run(() => client.write("!"));
      await lab.until(() => server.bytes === 11, "bytes on the old connection");
    },
  },
  {
    name: "reusePort: two drivers share a port, and every connection finds one",
    async run(lab) {
      const options = { ...NO_OPTIONS, reusePort: true };
      const [one, two, near] = [lab.driver(), lab.driver(), lab.driver()];
      const first = await lab.listen(one, at("127.0.0.1:0"), options);
      const second = await lab.listen(two, first.listener.address, options);
      equal(second.listener.address, first.listener.address, "address");
      const clients = Array.from({ length: 64 }, () => lab.dial(near, first.listener.address));
      await lab.until(() => clients.every((probe) => probe.connected), "64 connections");
      await lab.until(() => first.accepted.length + second.accepted.length === 64, "64 accepts");
      check(first.accepted.length > 0 && second.accepted.length > 0, "both get some");
      const alone = await near.listen(first.listener.address, NO_OPTIONS, () => null).catch((e) => e);
      check(alone instanceof ListenError, "who does not share is refused");
    },
  },
  {
    name: "accept answering null closes the connection",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const listener = await far.listen(at("127.0.0.1:0"), NO_OPTIONS, () => null);
      const client = lab.dial(near, listener.address);
      await lab.until(() => client.ended || client.closed, "the end");
      equal(client.bytes, 0, "bytes");
    },
  },
  {
    name: "clients that are gone before they are accepted keep nobody waiting, and are not served",
    except: { memory: "nobody is accepted late" },
    async run(lab) {
      const far = lab.driver();
      const { listener, accepted } = await lab.listen(far, at("127.0.0.1:0"));
      const { spawnSync } = await import("node:child_process");
      const flags = lab.runtime.name === "deno" ? ["run", "-A"] : [];
      const script = new URL("./hasty-clients.ts", import.meta.url).pathname;
      const { port } = listener.address;
      // Nothing is accepted here until that process has ended.
      const { status } = spawnSync(process.execPath, [...flags, script, String(port), "6"]);
      equal(status, 0, "outcome of the hasty clients");
      const near = lab.driver();
      const patient = lab.dial(near, listener.address);
      near.run(() => patient.write("hello"));
      await lab.until(() => accepted.some((probe) => probe.socket.remote.port > 0), "an accept");
      await lab.until(() => accepted.some((probe) => probe.text === "hello"), "bytes");
      await lab.settle();
      equal(
        accepted.map((probe) => probe.socket.remote),
        [patient.socket.local],
        "clients: what nobody can be held to is not read",
      );
      equal([far.acceptFailures, lab.logged], [0, []], "failures");
    },
  },
  {
    name: "closing a driver closes its sockets and frees its ports",
    async run(lab) {
      const { client, server, listener, near, far } = await lab.pair();
      far.close();
      far.close();
      equal(server.closed, true, "server's connection");
      await lab.until(() => client.ended || client.closed, "FIN");
      const late = lab.dial(near, listener.address);
      await lab.until(() => late.closed, "refusal");
      equal(late.reason, "ECONNREFUSED", "reason");
    },
  },

  // ── Turns ─────────────────────────────────────────────────────────────────────────────────────────────────
  {
    name: "the alarm goes off on time, once, and at the earliest of several deadlines",
    async run(lab) {
      let deadline = Number.POSITIVE_INFINITY;
      const fired: number[] = [];
      const driver = lab.driver({
        nextDeadline: () => deadline,
        expire() {
          if (driver.clock.now < deadline) return;
          fired.push(driver.clock.now - deadline);
          deadline = Number.POSITIVE_INFINITY;
        },
      });
      driver.run(() => {
        deadline = driver.clock.now + 1000;
      });
      driver.run(() => {
        deadline = driver.clock.now + 60;
      });
      await lab.until(() => fired.length > 0, "the alarm");
      check(fired[0] >= 0 && fired[0] < LATE, `late by ${fired[0]} ms`);
      driver.run(() => {
        deadline = driver.clock.now + 30;
      });
      await lab.until(() => fired.length > 1, "the second alarm");
      check(fired[1] >= 0 && fired[1] < LATE, `late by ${fired[1]} ms`);
      await lab.settle(600);
      equal(fired.length, 2, "alarms");
    },
  },
  {
    name: "a deadline that stays in the past does not spin",
    async run(lab) {
      let calls = 0;
      const driver = lab.driver({ nextDeadline: () => 0, expire: () => calls++ });
      const start = driver.run(() => driver.clock.now);
      await lab.settle(50);
      const passed = driver.run(() => driver.clock.now) - start;
      check(calls > 0 && calls <= passed + 5, `${calls} calls in ${passed} ms`);
    },
  },
  {
    name: "the clock is set for each turn, and knows the time of day",
    async run(lab) {
      const driver = lab.driver();
      const first = driver.run(() => driver.clock.now);
      const wall = driver.run(() => driver.clock.wall);
      if (lab.network === null) check(Math.abs(wall - Date.now()) < 1500, `wall ${wall}`);
      await lab.settle(20);
      const second = driver.run(() => driver.clock.now);
      check(second - first >= 15, `only ${second - first} ms passed`);
    },
  },
  {
    name: "run gives back its result, lets an exception through, and flushes either way",
    async run(lab) {
      const { client, server, near } = await lab.pair();
      equal(
        near.run(() => 42),
        42,
        "result",
      );
      let thrown: unknown = null;
      try {
        near.run(() => {
          client.write("sent all the same");
          throw new Error("no");
        });
      } catch (error) {
        thrown = error;
      }
      check(thrown instanceof Error && thrown.message === "no", "the exception");
      await lab.until(() => server.text === "sent all the same", "bytes");
    },
  },
  {
    name: "what the core asks for outside a turn happens all the same",
    async run(lab) {
      const { client, server } = await lab.pair();
      client.write("stray");
      client.socket.end();
      await lab.until(() => server.text === "stray" && server.ended, "bytes");
    },
  },
  {
    name: "an exception in a handler costs its connection and no other",
    async run(lab) {
      const { client, server, near, far, listener } = await lab.pair();
      const bystander = lab.dial(near, listener.address);
      await lab.until(() => bystander.connected, "a second connection");
      server.whenData = () => {
        throw new Error("a bug in onData");
      };
      near.run(() => client.write("x"));
      await lab.until(() => client.closed || client.ended, "the end of one");
      equal(server.events, ["data", "close:ECONNABORTED"], "server's events");
      equal(far.faults, 1, "faults");
      check(
        lab.logged.some((line) => line.includes("a bug in onData")),
        "logged",
      );
      near.run(() => bystander.write("y"));
      await lab.settle();
      equal([bystander.closed, bystander.ended], [false, false], "bystander");
    },
  },
  {
    name: "exceptions in accept, onConnect, onEnd, onBlocked, onClose and expire are survived",
    async run(lab) {
      const oops = () => {
        throw new Error("a bug");
      };
      let due = Number.POSITIVE_INFINITY;
      const far = lab.driver({
        nextDeadline: () => due,
        expire() {
          due = Number.POSITIVE_INFINITY;
          oops();
        },
      });
      const near = lab.driver();
      const bad = await far.listen(at("127.0.0.1:0"), NO_OPTIONS, oops);
      const first = lab.dial(near, bad.address);
      await lab.until(() => first.closed || first.ended, "the end of the first");
      equal(far.faults, 1, "accept");

      const good = await lab.listen(far, at("127.0.0.1:0"));
      const second = new Probe();
      second.whenConnected = oops;
      second.whenClosed = oops;
      lab.dial(near, good.listener.address, second);
      await lab.until(() => second.closed, "the end of the second");
      equal([near.faults, second.reason], [2, "ECONNABORTED"], "onConnect, onClose");

      const third = lab.dial(near, good.listener.address);
      await lab.until(() => third.connected && good.accepted.length >= 1, "the third");
      await lab.settle();
      const server = good.accepted.at(-1) as Probe;
      server.whenEnded = oops;
      near.run(() => third.socket.end());
      await lab.until(() => server.closed, "the end of the third");
      equal([far.faults, server.reason], [2, "ECONNABORTED"], "onEnd");

      far.run(() => {
        due = far.clock.now;
      });
      await lab.until(() => far.faults === 3, "expire");
      const last = lab.dial(near, good.listener.address);
      await lab.until(() => last.connected, "a healthy connection");
    },
  },

  // ── The rest of the platform ──────────────────────────────────────────────────────────────────────────────
  {
    name: "names: localhost, literals, and names that do not exist",
    async run(lab) {
      const driver = lab.driver();
      lab.network?.name("localhost", ["127.0.0.1", "::1"]);
      lab.network?.name("127.0.0.1", ["127.0.0.1"]);
      const answers: { [name: string]: readonly string[] } = {};
      let failed = "";
      driver.run(() => {
        driver.platform.resolve("localhost", "v4_only", (r) => {
          answers.localhost = r.addresses;
        });
        driver.platform.resolve("127.0.0.1", "auto", (r) => {
          answers.literal = r.addresses;
        });
        driver.platform.resolve("127.0.0.1", "v6_only", (r) => {
          answers.none = r.addresses;
        });
        driver.platform.resolve("no such name.invalid", "auto", (r) => {
          failed = r.error;
          answers.missing = r.addresses;
        });
        equal(answers, {}, "answers before resolve returned");
      });
      await lab.until(() => Object.keys(answers).length === 4, "four answers", 20_000);
      equal(answers.localhost, ["127.0.0.1"], "localhost");
      equal([answers.literal, answers.none], [["127.0.0.1"], []], "literal");
      check(failed !== "" && answers.missing.length === 0, "missing");
    },
  },
  {
    name: "random bytes are not repeated",
    async run(lab) {
      const driver = lab.driver();
      const seen = new Set<string>();
      for (let i = 0; i < 2000; i++) {
        const id = new Uint8Array(16);
        driver.platform.fillRandom(id);
        seen.add(id.join());
      }
      equal(seen.size, 2000, "different ids");
      const long = new Uint8Array(10_000);
      driver.platform.fillRandom(long);
      check(new Set(long).size === 256, "every value occurs in 10 000 bytes");
    },
  },
];
