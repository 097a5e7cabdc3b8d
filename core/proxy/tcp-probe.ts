/**
 * Asks by a connection: that there is one is enough, or what is sent must be answered with what is expected.
 *
 * As in Envoy, a connection that is kept for the next question and is closed meanwhile counts as a failure, and what would
 * be sent is not sent where no answer is expected.
 */
import { toBytes } from "../bytes/ascii.ts";
import { BlockSearch } from "../bytes/block-search.ts";
import type { EndpointState } from "../cluster/endpoint.ts";
import type { Probe, ProbeSink } from "../cluster/health-probe.ts";
import type { TcpQuestion } from "../config/health-check.ts";
import { type CloseReason, formatAddress, type Socket } from "../io/socket.ts";
import type { SecureConnection } from "../tls/secure-connection.ts";
import { askedAt, type HealthProber } from "./health-prober.ts";
import { type Dialler, dial, NO_ALPN } from "./secure-dial.ts";

/** Who says more than that between two questions, bytes, is left alone until the next one. */
const MOST_UNASKED = 64 * 1024;

export class TcpProbe implements Probe {
  private readonly prober: HealthProber;
  private readonly question: TcpQuestion;
  private readonly endpoint: EndpointState;
  private readonly sink: ProbeSink;
  private readonly payload: Uint8Array;
  private readonly search: BlockSearch;
  private connection: ProbeConnection | null = null;
  /** Where the connection goes. */
  private target = "";
  private asking = false;
  /** Bytes that came since the last answer. */
  private unasked = 0;

  constructor(prober: HealthProber, question: TcpQuestion, endpoint: EndpointState, sink: ProbeSink) {
    this.prober = prober;
    this.question = question;
    this.endpoint = endpoint;
    this.sink = sink;
    this.payload = toBytes(question.send);
    this.search = new BlockSearch(question.receive);
  }

  ask(): void {
    const { prober } = this;
    const at = askedAt(this.endpoint);
    const target = formatAddress(at);
    if (target !== this.target) this.drop();
    this.asking = true;
    this.unasked = 0;
    this.search.clear();
    if (this.connection !== null) {
      this.send();
      return;
    }
    const connection = new ProbeConnection(this);
    this.connection = connection;
    this.target = target;
    connection.socket = dial(prober.services, at, connection, prober);
  }

  giveUp(): void {
    this.drop();
  }

  close(): void {
    this.drop();
  }

  private send(): void {
    this.connection?.socket?.write(this.payload, 0, this.payload.length);
  }

  private drop(): void {
    const { connection } = this;
    this.asking = false;
    this.connection = null;
    connection?.drop();
  }

  private pass(): void {
    if (this.question.receive.length === 0 || !this.prober.check.reuseConnection) this.drop();
    this.asking = false;
    this.sink.onWell(false);
  }

  // ── The connection's side ─────────────────────────────────────────────────────────────────────────────────

  onConnect(): void {
    if (this.question.receive.length === 0) this.pass();
    else if (this.payload.length > 0) this.send();
  }

  onData(chunk: Uint8Array): void {
    if (!this.asking) {
      this.unasked += chunk.length;
      if (this.unasked > MOST_UNASKED) this.drop();
      return;
    }
    this.search.read(chunk, 0, chunk.length);
    if (this.search.done) this.pass();
  }

  /** It is gone. */
  onLost(why: string): void {
    this.asking = false;
    this.connection = null;
    this.sink.onUnwell("NETWORK", false, false, 0, why);
  }
}

/** One connection of a probe, which may have another one already when this one is gone. */
class ProbeConnection implements Dialler {
  readonly protocol = "";
  readonly alpn = NO_ALPN;
  secure: SecureConnection | null = null;
  socket: Socket | null = null;
  /** Null once nobody wants to hear of it. */
  private probe: TcpProbe | null;

  constructor(probe: TcpProbe) {
    this.probe = probe;
  }

  drop(): void {
    this.probe = null;
    this.socket?.close();
  }

  onConnect(): void {
    this.probe?.onConnect();
  }

  onData(chunk: Uint8Array): void {
    this.probe?.onData(chunk);
  }

  onEnd(): void {
    this.lose("the endpoint has ended the connection");
    this.socket?.close();
  }

  onBlocked(): void {}

  onDrain(): void {}

  onClose(reason: CloseReason): void {
    this.secure?.closed(reason);
    this.lose(reason === "" ? "the connection was closed" : reason);
  }

  private lose(why: string): void {
    const { probe } = this;
    this.probe = null;
    probe?.onLost(why);
  }
}
