/**
 * What every runtime's TLS must do, case by case: the laws of `core/io/tls.ts` and `PlainSocket.secure`. That secured
 * sockets keep the laws of plain ones is proved by running compliance.ts over them.
 */
import { X509Certificate } from "node:crypto";
import type { PlainSocket } from "../../core/io/socket.ts";
import type { TlsContextOptions, TlsInfo } from "../../core/io/tls.ts";
import { tlsFailureOf } from "../../core/io/tls.ts";
import { at } from "../../runtime-adapters/memory/network.ts";
import { CA, CLIENT, CLIENT_OPTIONS, SERVER, SERVER_OPTIONS } from "../support/tls-fixture.ts";
import type { Case } from "./compliance.ts";
import { check, equal, type Lab, NO_OPTIONS, Probe } from "./lab.ts";

const NOTHING = new Uint8Array(0);

const der = (pem: string) => hex(new X509Certificate(pem).raw);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A probe that becomes TLS: a server with its first bytes, a client at once. */
class TlsProbe extends Probe {
  info: TlsInfo | null = null;
  whenSecured: (() => void) | null = null;

  onSecured(info: TlsInfo): void {
    this.events.push("secured");
    this.info = info;
    this.whenSecured?.();
  }

  get plain(): PlainSocket {
    return this.socket as PlainSocket;
  }

  get failure(): string | null {
    return tlsFailureOf(this.reason);
  }
}

interface Ends {
  readonly client: TlsProbe;
  readonly server: TlsProbe;
  /** Runs something on the client's or the server's driver. */
  readonly near: (job: () => void) => void;
  readonly far: (job: () => void) => void;
}

interface Wanted {
  readonly server?: Partial<TlsContextOptions>;
  readonly client?: Partial<TlsContextOptions>;
  readonly serverName?: string;
  readonly prepare?: (client: TlsProbe, server: TlsProbe) => void;
}

/** Begins to connect a TLS client to a TLS server. */
async function ends(lab: Lab, wanted: Wanted = {}): Promise<Ends> {
  const near = lab.driver();
  const far = lab.driver();
  const server = new TlsProbe();
  const client = new TlsProbe();
  const serverContext = far.platform.tlsContext({ ...SERVER_OPTIONS, ...wanted.server });
  const clientContext = near.platform.tlsContext({ ...CLIENT_OPTIONS, ...wanted.client });
  server.whenData = (chunk) => {
    server.whenData = null;
    server.events.length = 0;
    server.chunks.length = 0;
    server.bytes = 0;
    server.plain.secure(serverContext, chunk, "");
  };
  wanted.prepare?.(client, server);
  const listener = await far.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => {
    server.socket = socket;
    return server;
  });
  near.run(() => {
    client.socket = near.platform.connect(listener.address, client);
    client.plain.secure(clientContext, NOTHING, wanted.serverName ?? "");
  });
  return { client, server, near: (job) => near.run(job), far: (job) => far.run(job) };
}

const bothSecured = (pair: Ends) => () => pair.client.info !== null && pair.server.info !== null;
const bothClosed = (pair: Ends) => () => pair.client.closed && pair.server.closed;

export const tlsCases: readonly Case[] = [
  {
    name: "both sides hear what the handshake came to, before any byte",
    async run(lab) {
      const pair = await ends(lab, {
        server: { alpn: ["h2", "http/1.1"] },
        client: { alpn: ["http/1.1", "h2"] },
        serverName: "server.example",
        prepare(client, server) {
          client.whenSecured = () => client.write("hello");
          server.whenSecured = () => server.write("welcome");
        },
      });
      const { client, server } = pair;
      await lab.until(() => client.bytes === 7 && server.bytes === 5, "greetings");
      equal(client.events, ["connect", "secured", "data"], "client's events");
      equal(server.events, ["secured", "data"], "server's events");
      for (const { info } of [client, server]) {
        equal(info?.version, "TLSv1.3", "version");
        equal(info?.alpn, "h2", "the server's first choice");
        equal(info?.serverName, "server.example", "server name");
        equal(info?.resumed, false, "resumed");
        check((info?.cipher ?? "").startsWith("TLS_AES_"), `cipher ${info?.cipher}`);
      }
      equal(client.info?.peerCertificates.map(hex), [der(SERVER.chain)], "the server's chain");
      equal(server.info?.peerCertificates, [], "the client's chain");
    },
  },
  {
    name: "TLS 1.2 where one side has no more",
    async run(lab) {
      const pair = await ends(lab, { server: { maxVersion: "TLSv1.2" }, client: { maxVersion: "TLSv1.2" } });
      await lab.until(bothSecured(pair), "a handshake");
      equal([pair.client.info?.version, pair.server.info?.version], ["TLSv1.2", "TLSv1.2"], "version");
      equal([pair.client.info?.alpn, pair.client.info?.serverName], ["", ""], "nothing was asked for");
      pair.near(() => pair.client.write("hello"));
      await lab.until(() => pair.server.text === "hello", "bytes");
    },
  },
  {
    name: "who asks for no protocol that is offered is refused, and let in by a context that offers none",
    async run(lab) {
      const client = { alpn: ["foo"] };
      const refused = await ends(lab, { server: { alpn: ["h2", "http/1.1"] }, client });
      await lab.until(bothClosed(refused), "the end");
      check(refused.server.info === null, "nobody was let in");
      const served = await ends(lab, { server: { alpn: [] }, client });
      await lab.until(bothSecured(served), "a handshake");
      equal([served.client.info?.alpn, served.server.info?.alpn], ["", ""], "nothing was agreed upon");
    },
  },
  {
    name: "a client's certificate is handed over, judged by nobody",
    async run(lab) {
      const pair = await ends(lab, {
        server: { requestCertificate: true },
        client: { certificates: [CLIENT] },
      });
      await lab.until(bothSecured(pair), "a handshake");
      equal(pair.server.info?.peerCertificates.map(hex), [der(CLIENT.chain)], "the client's chain");
    },
  },
  {
    name: "a client without a certificate is let in",
    async run(lab) {
      const pair = await ends(lab, { server: { requestCertificate: true, authorities: CA } });
      await lab.until(bothSecured(pair), "a handshake");
      equal(pair.server.info?.peerCertificates, [], "the client's chain");
    },
  },
  {
    name: "whether the authorities vouch for the peer is told, and has no effect",
    except: { memory: "says what its script says", deno: "does not look" },
    async run(lab) {
      const wanted = { server: { requestCertificate: true, authorities: CA }, client: { authorities: CA } };
      const good = await ends(lab, { ...wanted, client: { ...wanted.client, certificates: [CLIENT] } });
      await lab.until(bothSecured(good), "a handshake");
      equal([good.client.info?.verifyError, good.server.info?.verifyError], ["", ""], "verified");
      const bad = await ends(lab, { client: { authorities: CLIENT.chain } });
      await lab.until(bothSecured(bad), "a handshake");
      check(bad.client.info?.verifyError !== "", "the client does not know who vouched for the server");
    },
  },
  {
    name: "who closes in onSecured hears no byte of the peer's",
    async run(lab) {
      const pair = await ends(lab, {
        prepare(client, server) {
          client.whenSecured = () => client.write("hello");
          client.whenEnded = () => client.socket.close();
          server.whenSecured = () => server.socket.close();
        },
      });
      await lab.until(bothClosed(pair), "the end");
      equal(pair.server.events, ["secured", "close:"], "server's events");
    },
  },
  {
    name: "what was written before leaves plain, what is written meanwhile waits for the handshake",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const serverContext = far.platform.tlsContext(SERVER_OPTIONS);
      const clientContext = near.platform.tlsContext(CLIENT_OPTIONS);
      const server = new TlsProbe();
      const client = new TlsProbe();
      server.whenData = () => {
        if (server.text !== "STARTTLS\n") return;
        server.whenData = null;
        server.write("go\n");
        server.plain.secure(serverContext, NOTHING, "");
        server.write("welcome");
      };
      const listener = await far.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => {
        server.socket = socket;
        return server;
      });
      client.whenConnected = () => client.write("STARTTLS\n");
      client.whenData = () => {
        client.whenData = null;
        client.plain.secure(clientContext, NOTHING, "");
        client.write("hello");
      };
      near.run(() => {
        client.socket = near.platform.connect(listener.address, client);
      });
      await lab.until(() => client.bytes === 10 && server.bytes === 14, "both");
      equal([client.text, server.text], ["go\nwelcome", "STARTTLS\nhello"], "bytes");
      equal(client.events, ["connect", "data", "secured", "data"], "client's events");
      equal(client.socket.pendingBytes, 0, "pending");
    },
  },
  {
    name: "what is no TLS closes the connection with a reason",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const context = far.platform.tlsContext(SERVER_OPTIONS);
      const server = new TlsProbe();
      server.whenData = (chunk) => {
        server.whenData = null;
        server.plain.secure(context, chunk, "");
      };
      const listener = await far.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => {
        server.socket = socket;
        return server;
      });
      const client = lab.dial(near, listener.address);
      await lab.until(() => client.connected, "a connection");
      near.run(() => client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
      await lab.until(() => server.closed && (client.ended || client.closed), "the end");
      check((server.failure ?? "") !== "", `the reason is the engine's: ${server.reason}`);
      equal(server.events.length, 2, "data and close");
    },
  },
  {
    name: "a peer that goes away in the middle of a handshake closes the connection with a reason",
    async run(lab) {
      const far = lab.driver();
      const near = lab.driver();
      const context = near.platform.tlsContext(CLIENT_OPTIONS);
      const { listener } = await lab.listen(far, at("127.0.0.1:0"), NO_OPTIONS, (probe) => {
        probe.whenData = () => probe.socket.finish();
      });
      const client = new TlsProbe();
      near.run(() => {
        client.socket = near.platform.connect(listener.address, client);
        client.plain.secure(context, NOTHING, "");
      });
      await lab.until(() => client.closed, "the end");
      check(client.failure !== null || client.reason === "ECONNRESET", `reason ${client.reason}`);
      equal(client.events.length, 2, `connect and close: ${client.events}`);
    },
  },
  {
    name: "sides without a common version part, each with a reason",
    except: { memory: "has one version" },
    async run(lab) {
      const pair = await ends(lab, { server: { minVersion: "TLSv1.3" }, client: { maxVersion: "TLSv1.2" } });
      await lab.until(bothClosed(pair), "the end");
      check((pair.server.failure ?? "") !== "", `server: ${pair.server.reason}`);
      check((pair.client.failure ?? "") !== "", `client: ${pair.client.reason}`);
    },
  },
  {
    name: "a suite of TLS 1.2 that is configured is the only one",
    except: { memory: "has one suite" },
    async run(lab) {
      const [small, large] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"];
      const only = (suite: string) => ({ maxVersion: "TLSv1.2", cipherSuites: [suite] }) as const;
      // Deno's would agree upon the large one, and whoever wants the small one hangs up.
      const server = await ends(lab, { server: only(small), client: only(large) });
      await lab.until(() => server.server.closed, "the end");
      equal(server.server.info, null, "what the server agreed upon");
      const client = await ends(lab, { server: only(large), client: only(small) });
      await lab.until(() => client.client.closed, "the end");
      equal(client.client.info, null, "what the client agreed upon");
      const served = await ends(lab, { server: only(large), client: only(large) });
      await lab.until(bothSecured(served), "a handshake");
      equal([served.server.info?.cipher, served.client.info?.cipher], [large, large], "suite");
    },
  },
  {
    name: "curves and signatures that are configured are the only ones",
    except: { memory: "has neither", deno: "cannot be told; see the next case" },
    async run(lab) {
      for (const [server, client, good] of [
        [{ curves: ["P-384"] }, { curves: ["X25519"] }, false],
        [{ curves: ["P-384"] }, { curves: ["P-384"] }, true],
        [{ signatureAlgorithms: ["ecdsa_secp384r1_sha384"] }, {}, false],
        [{ signatureAlgorithms: ["ecdsa_secp256r1_sha256"] }, {}, true],
        [{}, { signatureAlgorithms: ["ecdsa_secp384r1_sha384"] }, false],
      ] as const) {
        const pair = await ends(lab, { server, client });
        await lab.until(good ? bothSecured(pair) : bothClosed(pair), JSON.stringify([server, client]));
        if (!good) check(pair.server.info === null, `let in: ${JSON.stringify([server, client])}`);
      }
    },
  },
  {
    name: "what the runtime would not heed makes a context unusable, and says so",
    except: { memory: "heeds nothing", bun: "heeds all of it", node: "heeds all of it" },
    async run(lab) {
      const { platform } = lab.driver();
      for (const [change, field] of [
        [{ curves: ["P-384"] }, "ecdh_curves"],
        [{ signatureAlgorithms: ["ecdsa_secp256r1_sha256"] }, "signature_algorithms"],
        [{ resumption: false }, "disable_stateless_session_resumption"],
      ] as const) {
        const { fault } = platform.tlsContext({ ...SERVER_OPTIONS, ...change });
        check(fault.includes(field), `${field}: ${fault}`);
      }
    },
  },
  {
    name: "a context that cannot be used says why, without the key, and closes who uses it",
    async run(lab) {
      const { platform } = lab.driver();
      const chain = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n";
      const bad = { server: { certificates: lab.network === null ? [{ ...SERVER, chain }] : [] } };
      const { fault } = platform.tlsContext({ ...SERVER_OPTIONS, ...bad.server });
      check(fault !== "" && !fault.includes("PRIVATE"), `fault: ${fault}`);
      if (lab.network === null) {
        const swapped = { ...SERVER, privateKey: CLIENT.privateKey };
        const { fault } = platform.tlsContext({ ...SERVER_OPTIONS, certificates: [swapped] });
        equal(fault, "the key is not that of the certificate", "fault");
      }
      const pair = await ends(lab, bad);
      await lab.until(bothClosed(pair), "the end");
      equal(pair.server.failure, fault, "reason");
    },
  },
  {
    name: "a client comes back with a session of a server that it has let in, and of no other",
    except: { memory: "resumes what the script says", deno: "keeps none" },
    async run(lab) {
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const near = lab.driver();
        const far = lab.driver();
        const serving = far.platform.tlsContext({ ...SERVER_OPTIONS, maxVersion });
        const calling = near.platform.tlsContext({ ...CLIENT_OPTIONS, maxVersion, maxSessions: 2 });
        const { address } = await far.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => {
          const server = new TlsProbe();
          server.socket = socket;
          server.whenData = (chunk) => {
            server.whenData = null;
            server.plain.secure(serving, chunk, "");
          };
          server.whenSecured = () => server.write("welcome");
          return server;
        });
        const story: string[] = [];
        for (const verdict of ["refused", "refused", "let in", "let in"]) {
          const client = new TlsProbe();
          client.whenSecured = () => verdict === "refused" && client.socket.reset();
          near.run(() => {
            client.socket = near.platform.connect(address, client);
            client.plain.secure(calling, NOTHING, "");
          });
          await lab.until(() => client.closed || client.text === "welcome", verdict);
          near.run(() => client.socket.close());
          story.push(`${client.info?.resumed ? "resumed" : "new"}, ${verdict}`);
        }
        equal(story, ["new, refused", "new, refused", "new, let in", "resumed, let in"], maxVersion);
      }
    },
  },
  {
    name: "close and reset during a handshake close it",
    async run(lab) {
      for (const how of ["close", "reset"] as const) {
        const pair = await ends(lab, {
          prepare: (client) => (client.whenConnected = () => client.socket[how]()),
        });
        await lab.until(() => pair.client.closed, "the end");
        equal(pair.client.events, ["connect", "close:"], how);
      }
    },
  },
  {
    name: "the peer of a socket that is closed hears an orderly end, behind the last bytes",
    async run(lab) {
      const pair = await ends(lab, {
        prepare(_client, server) {
          server.whenSecured = () => {
            server.write("last words");
            server.socket.close();
          };
        },
      });
      const { client } = pair;
      await lab.until(() => client.ended || client.closed, "the end");
      equal([client.text, client.reason], ["last words", ""], "received");
    },
  },
];
