/**
 * Two workers, three contexts, and a client that comes back: `node test/adapters/ticket-probe.ts node`. Prints what was
 * resumed, as JSON by version of TLS.
 */
import { connect, type SecureVersion } from "node:tls";
import type { PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import type { TlsContextOptions } from "../../core/io/tls.ts";
import { at } from "../../runtime-adapters/memory/network.ts";
import { TicketKeys } from "../../runtime-adapters/ticket-keys.ts";
import { TicketSecrets } from "../../runtime-adapters/ticket-secrets.ts";
import { CLIENT, SERVER_OPTIONS } from "../support/tls-fixture.ts";
import { bytes, NO_OPTIONS } from "./lab.ts";
import { load } from "./run.ts";

const runtime = await load(process.argv[2]);
const secrets = TicketSecrets.create();

/** A worker with a server of that scope; its port. */
async function serving(options: Partial<TlsContextOptions>): Promise<number> {
  const tickets = new TicketSecrets(secrets.memory);
  const driver = runtime.createDriver({ tickets, log: console.error, openLog: () => ({ write() {} }) });
  driver.attach({ nextDeadline: () => Number.POSITIVE_INFINITY, expire() {} });
  const context = driver.platform.tlsContext({ ...SERVER_OPTIONS, requestCertificate: true, ...options });
  if (context.fault !== "") throw new Error(context.fault);
  const listener = await driver.listen(
    at("127.0.0.1:0"),
    NO_OPTIONS,
    (socket) => new Greeting(socket, context),
  );
  return listener.address.port;
}

type Context = Parameters<PlainSocket["secure"]>[0];

/** Says who is there, once the connection is TLS. */
class Greeting implements SocketHandler {
  private readonly socket: PlainSocket;
  private context: Context | null;

  constructor(socket: PlainSocket, context: Context) {
    this.socket = socket;
    this.context = context;
  }

  onSecured({ peerCertificates }: { readonly peerCertificates: readonly Uint8Array[] }): void {
    const greeting = bytes(peerCertificates.length === 0 ? "nobody" : "client");
    this.socket.write(greeting, 0, greeting.length);
  }

  onData(chunk: Uint8Array): void {
    if (this.context !== null) this.socket.secure(this.context, chunk, "");
    this.context = null;
  }

  onEnd(): void {
    this.socket.close();
  }

  onConnect(): void {}
  onBlocked(): void {}
  onDrain(): void {}
  onClose(): void {}
}

/** One connection: what became of it, and the session to come back with. */
function visit(
  port: number,
  version: SecureVersion,
  session?: Buffer,
): Promise<{ was: string; session: Buffer }> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: "127.0.0.1", port, minVersion: version, maxVersion: version, rejectUnauthorized: false },
      ...{ cert: CLIENT.chain, key: CLIENT.privateKey },
      ...(session === undefined ? {} : { session }),
    });
    let latest = session ?? Buffer.alloc(0);
    let greeting = "";
    socket.on("session", (ticket) => {
      latest = ticket;
    });
    socket.on("data", (chunk) => {
      greeting += chunk;
      if (greeting.length < 6) return;
      const was = `${socket.isSessionReused() ? "resumed" : "new"} ${greeting}`;
      if (version === "TLSv1.2") latest = socket.getSession() ?? latest;
      socket.end(() => resolve({ was, session: latest }));
    });
    socket.on("error", reject);
  });
}

/** `session` with one byte of its ticket, which begins with `name`, changed. */
function spoilt(session: Buffer, name: Buffer, at: number): Buffer {
  const begins = session.indexOf(name);
  if (begins < 0) throw new Error("the ticket is not sealed with our key");
  const copy = Buffer.from(session);
  copy[begins + at] ^= 1;
  return copy;
}

const results: { [version: string]: readonly string[] } = {};
const one = await serving({ sessionScope: "a" });
const other = await serving({ sessionScope: "a", alpn: ["h2"] });
const stranger = await serving({ sessionScope: "b" });
const brief = await serving({ sessionScope: "c", sessionTimeout: 2 });
for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const story: string[] = [];
  const tell = async (what: string, port: number, session?: Buffer): Promise<Buffer> => {
    const visited = await visit(port, version, session);
    story.push(`${what}: ${visited.was}`);
    return visited.session;
  };
  const first = await tell("first", one);
  const second = await tell("another one for it", one, first);
  story.push(second.equals(first) ? "the same ticket" : "another ticket");
  await tell("another worker", other, first);
  await tell("another scope", stranger, first);
  const { name } = new TicketKeys(secrets, "a").current();
  await tell("a ticket that nobody has sealed", one, spoilt(first, name, 0));
  await tell("a ticket that somebody has changed", one, spoilt(first, name, 40));
  secrets.rotate();
  const kept = await tell("after a new secret", other, second);
  story.push(kept.equals(second) ? "the same ticket" : "another ticket");
  const third = await tell("that again", one, kept);
  const anew = await tell("somebody new", one);
  secrets.rotate();
  await tell("the first, after two", one, first);
  await tell("its successor", one, second);
  await tell("whoever has come again and again", other, third);
  const last = await tell("the one who was new", one, anew);
  story.push(last.equals(anew) ? "the same ticket" : "another ticket");
  const late = await tell("briefly", brief);
  await tell("briefly, in time", brief, late);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await tell("briefly, too late", brief, late);
  results[version] = story;
}
process.stdout.write(`${JSON.stringify(results)}\n`);
process.exit(0);
