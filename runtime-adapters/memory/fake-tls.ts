/**
 * TLS for the virtual network: records as on the wire, and nothing secret about them. The client's first record is a
 * true ClientHello (whoever inspects first bytes finds SNI and ALPN); the rest of the handshake is JSON in handshake
 * records, data is data in data records, and closing is an alert. Certificates are shown as they are in the context;
 * keys are not looked at.
 *
 *   client: ClientHello ──▶ server: Hello (alpn, chain, wants yours?) ──▶ client: Finished (chain) ──▶ server is secured
 *
 * The client is secured when it has sent its Finished, as in TLS 1.3. What goes wrong, and how long it takes, says
 * `TlsScript`.
 */
import { latin1, toBytes } from "../../core/bytes/ascii.ts";
import { ByteQueue } from "../../core/bytes/byte-queue.ts";
import type { TlsContext, TlsContextOptions, TlsInfo } from "../../core/io/tls.ts";
import { joined } from "../joined.ts";
import { gather, RECORD_BYTES } from "../record.ts";
import type { EngineUser, TlsEngine } from "../tls-engine.ts";
import { clientHello, readClientHello } from "./fake-hello.ts";

/** How handshakes on a network go, from now on. */
export interface TlsScript {
  /** ms that each side takes for its part. */
  readonly delay: number;
  /** The side that is to give up, and what it calls it ("" = neither). */
  readonly failure: "" | "server" | "client";
  readonly detail: string;
  /** `TlsInfo.verifyError` on both sides. */
  readonly verifyError: string;
  readonly resumed: boolean;
}

export const PLAIN_SAILING: TlsScript = {
  delay: 0,
  failure: "",
  detail: "",
  verifyError: "",
  resumed: false,
};

const ALERT = 21;
const HANDSHAKE = 22;
const DATA = 23;
const HEADER = 5;
const CLOSE_NOTIFY = Uint8Array.of(1, 0);

/** A context of the virtual network. */
export class FakeTlsContext implements TlsContext {
  readonly options: TlsContextOptions;
  readonly fault: string;
  /** DER in Base64, leaf first. */
  readonly chain: readonly string[];

  constructor(options: TlsContextOptions) {
    this.options = options;
    const [first] = options.certificates;
    this.chain = first === undefined ? [] : pemBlocks(first.chain);
    this.fault = options.server && this.chain.length === 0 ? "no certificate" : "";
  }
}

function pemBlocks(pem: string): string[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  return [...blocks].map(([, text]) => text.replace(/\s/g, ""));
}

/** What is in handshake records after the ClientHello. */
interface Message {
  readonly alpn: string;
  readonly chain: readonly string[];
  readonly asks: boolean;
}

/** One end of a fake TLS connection. */
export class FakeTls implements TlsEngine {
  readonly out = new ByteQueue();
  private readonly context: FakeTlsContext;
  private readonly script: TlsScript;
  private readonly user: EngineUser;
  private readonly after: (delay: number, job: () => void) => void;
  private serverName: string;
  private alpn = "";
  private input: Uint8Array = new Uint8Array(0);
  private secured = false;
  private ended = false;
  private over = false;
  /** The handshake goes on when its time has come. */
  private thinking = false;

  /** @param after calls back in so many ms of virtual time. */
  constructor(
    context: FakeTlsContext,
    serverName: string,
    script: TlsScript,
    user: EngineUser,
    after: (delay: number, job: () => void) => void,
  ) {
    this.context = context;
    this.serverName = serverName;
    this.script = script;
    this.user = user;
    this.after = after;
    if (!context.options.server) this.think(() => this.say(clientHello(serverName, context.options.alpn)));
  }

  receive(chunk: Uint8Array): void {
    if (this.over) return;
    this.input = joined(this.input, chunk);
    this.read();
  }

  encrypt(queue: ByteQueue): void {
    while (queue.bytes !== 0) {
      const { bytes, start, end } = gather(queue);
      const length = Math.min(end - start, RECORD_BYTES);
      this.record(DATA, bytes.subarray(start, start + length));
      queue.consume(length);
    }
  }

  end(): void {
    if (this.ended || !this.secured) return;
    this.ended = true;
    this.record(ALERT, CLOSE_NOTIFY);
  }

  close(): void {
    this.over = true;
  }

  private read(): void {
    while (!this.over && !this.thinking && this.input.length >= HEADER) {
      const { input } = this;
      const [type, major] = input;
      if (type < ALERT || type > DATA || major !== 3) {
        this.fail("WRONG_VERSION_NUMBER");
        return;
      }
      const end = HEADER + ((input[3] << 8) | input[4]);
      if (input.length < end) return;
      this.input = input.slice(end);
      this.take(type, input.slice(HEADER, end));
    }
  }

  private take(type: number, payload: Uint8Array): void {
    if (type === DATA && this.secured) this.user.onPlaintext(payload);
    else if (type === ALERT && payload[1] === 0) this.user.onCloseNotify();
    else if (type === ALERT) this.stop(`ALERT_${payload[1]}`);
    else if (type === HANDSHAKE && !this.secured) this.shake(payload);
    else this.fail("UNEXPECTED_RECORD");
  }

  private shake(payload: Uint8Array): void {
    const { options, chain } = this.context;
    if (options.server && this.serverName === "" && payload[0] === 1) {
      const hello = readClientHello(payload);
      if (hello === null) {
        this.fail("BAD_CLIENT_HELLO");
        return;
      }
      this.serverName = hello.serverName;
      this.alpn = options.alpn.find((name) => hello.alpn.includes(name)) ?? "";
      if (this.alpn === "" && options.alpn.length > 0 && hello.alpn.length > 0) {
        this.fail("NO_APPLICATION_PROTOCOL"); // as the runtimes' engines do
        return;
      }
      this.think(() => this.tell({ alpn: this.alpn, chain, asks: options.requestCertificate }));
      return;
    }
    const message: Message = JSON.parse(latin1(payload, 0, payload.length));
    if (options.server) {
      this.done(message.chain);
      return;
    }
    this.alpn = message.alpn;
    this.think(() => {
      this.tell({ alpn: "", chain: message.asks ? chain : [], asks: false });
      this.done(message.chain);
    });
  }

  private done(chain: readonly string[]): void {
    const { resumed, verifyError } = this.script;
    const { server, maxVersion } = this.context.options;
    const nameless = server && resumed && maxVersion === "TLSv1.2"; // as Node
    this.secured = true;
    const info: TlsInfo = {
      version: maxVersion,
      cipher: "TLS_AES_128_GCM_SHA256",
      alpn: this.alpn,
      serverName: nameless ? "" : this.serverName,
      resumed,
      peerCertificates: chain.map((text) => toBytes(atob(text))),
      verifyError,
    };
    this.user.onSecured(info);
    this.read();
  }

  /** Does its part of the handshake, or gives up, when its time has come. */
  private think(job: () => void): void {
    const { delay, failure, detail } = this.script;
    this.thinking = true;
    this.after(delay, () => {
      if (this.over) return;
      this.thinking = false;
      if (failure === (this.context.options.server ? "server" : "client")) this.fail(detail);
      else job();
      this.read();
    });
  }

  private tell(message: Message): void {
    this.say(toBytes(JSON.stringify(message)));
  }

  private say(payload: Uint8Array): void {
    this.record(HANDSHAKE, payload);
    this.user.onOut();
  }

  private record(type: number, payload: Uint8Array): void {
    const bytes = new Uint8Array(HEADER + payload.length);
    bytes.set([type, 3, 3, payload.length >> 8, payload.length & 255]);
    bytes.set(payload, HEADER);
    this.out.push(bytes, 0, bytes.length);
  }

  private fail(detail: string): void {
    this.record(ALERT, Uint8Array.of(2, 40));
    this.user.onOut();
    this.stop(detail);
  }

  private stop(detail: string): void {
    this.over = true;
    this.user.onTlsFailed(detail);
  }
}
