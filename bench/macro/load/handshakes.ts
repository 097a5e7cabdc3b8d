/**
 * Makes TLS 1.3 connections with a client's certificate, one request on each, as fast as it can; every connection is new,
 * and either makes a full handshake or resumes what the last one was given. Runs on Node, whose client can do both.
 *
 *   node handshakes.ts '{"port":…,"seconds":1,"inFlight":8,"resume":false,"path":"/own-answer","bodyLength":2,…}'
 *
 * Says "ready" when there is a session to resume in every place, begins when it is told a line, and prints one line of
 * JSON (`HandshakeResult`). A connection counts when its answer is whole: who serves has then judged the certificate.
 */
import { readFileSync } from "node:fs";
import { connect, createSecureContext } from "node:tls";

export interface HandshakeOptions {
  readonly port: number;
  readonly seconds: number;
  /** Connections at once. */
  readonly inFlight: number;
  readonly resume: boolean;
  readonly path: string;
  readonly bodyLength: number;
  /** Paths of PEM files. */
  readonly ca: string;
  readonly chain: string;
  readonly key: string;
}

export interface HandshakeResult {
  readonly handshakes: number;
  /** Of these, not full ones. */
  readonly resumed: number;
  readonly failed: number;
  readonly firstError: string;
  readonly seconds: number;
}

const options: HandshakeOptions = JSON.parse(process.argv[2]);
const { port, inFlight, resume, path, bodyLength } = options;
const secureContext = createSecureContext({
  ca: readFileSync(options.ca),
  cert: readFileSync(options.chain),
  key: readFileSync(options.key),
  minVersion: "TLSv1.3",
  ecdhCurve: "X25519", // what all proxies can, hybrid groups left out
});
const request = `GET ${path} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n`;
const sessions: (Buffer | undefined)[] = new Array(inFlight).fill(undefined);
let handshakes = 0;
let resumed = 0;
let failed = 0;
let firstError = "";

/** One connection from its beginning to its end; whether it was answered. */
function once(place: number): Promise<boolean> {
  return new Promise((done) => {
    const session = resume ? sessions[place] : undefined;
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername: "bench.test",
      secureContext,
      checkServerIdentity: () => undefined, // it has no name but a SPIFFE ID
      ...(session === undefined ? {} : { session }),
    });
    let text = "";
    let error = "";
    let reused = false;
    socket.setTimeout(5000, () => socket.destroy(new Error("no whole answer in 5 s")));
    socket.on("session", (ticket) => {
      sessions[place] = ticket;
    });
    socket.on("secureConnect", () => {
      reused = socket.isSessionReused();
      socket.write(request);
    });
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", (reason) => {
      error ||= reason.message;
    });
    socket.on("close", () => {
      const head = text.indexOf("\r\n\r\n");
      const ok = text.startsWith("HTTP/1.1 200 ") && text.length === head + 4 + bodyLength;
      if (ok) handshakes++;
      else {
        failed++;
        firstError ||= error || `an answer of ${text.length} bytes`;
      }
      if (ok && reused) resumed++;
      done(ok);
    });
  });
}

const places = Array.from({ length: inFlight }, (_, place) => place);
if (resume) await Promise.all(places.map(once));
handshakes = 0;
process.stdout.write("ready\n");
await new Promise((told) => process.stdin.once("data", told));
const start = performance.now();
const elapsed = () => (performance.now() - start) / 1000;
await Promise.all(
  places.map(async (place) => {
    for (let going = true; going && elapsed() < options.seconds; ) going = await once(place);
  }),
);
const result: HandshakeResult = { handshakes, resumed, failed, firstError, seconds: elapsed() };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
