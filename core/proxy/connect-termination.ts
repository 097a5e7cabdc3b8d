/**
 * The end of a CONNECT on a route with `connect_config`: connects to an endpoint of the cluster, answers 200, and
 * carries what the tunnel holds as plain TCP. One try; a failure is answered like that of a request.
 *
 * Law: nothing is sent upstream, and no 200 downstream, before the connection is there (invariant 6).
 */
import type { ClusterState } from "../cluster/cluster.ts";
import type { ResetReason } from "../cluster/reset-reason.ts";
import { AsTunnel } from "../http/framing.ts";
import { ResponseHead } from "../http/head.ts";
import type { CloseReason } from "../io/socket.ts";
import type { Forwarder } from "./forwarder.ts";
import { PausedByUpstream } from "./pressure.ts";
import type { Stream } from "./stream.ts";
import { mayPool, mayWait, TcpUpstream, type TcpUpstreamOwner } from "./tcp-upstream.ts";
import { connectFailureText, describeFailure, underscored } from "./upstream-failure.ts";

export class ConnectTermination implements Forwarder, TcpUpstreamOwner {
  private readonly stream: Stream;
  private readonly cluster: ClusterState;
  private readonly head = new ResponseHead();
  private upstream: TcpUpstream | null = null;
  private clientEnded = false;
  private upstreamEnded = false;

  constructor(stream: Stream, cluster: ClusterState) {
    this.stream = stream;
    this.cluster = cluster;
  }

  start(): void {
    const { stream, cluster } = this;
    const { stats, defaultBreaker } = cluster;
    stream.upstreamAttempts++;
    const endpoint = cluster.chooseEndpoint(null);
    if (endpoint === null || !mayPool(cluster, endpoint)) {
      this.charge(503);
      stream.reply(503, "no healthy upstream", "no_healthy_upstream", "UH");
      return;
    }
    if (!defaultBreaker.requests.available || !defaultBreaker.connections.available) {
      stats.upstreamCxOverflow++;
      this.fail("overflow", "");
      return;
    }
    if (!mayWait(cluster)) {
      this.fail("overflow", "");
      return;
    }
    stream.upstreamHost = endpoint.address;
    stream.endpoint = endpoint;
    this.upstream = new TcpUpstream(stream.connection.services, cluster, endpoint, this, null);
    this.upstream.connect();
  }

  get passing(): number {
    return this.upstream?.direct === true ? Number.POSITIVE_INFINITY : 0;
  }

  get answerPassing(): number {
    return this.stream.answerPassing;
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    this.stream.upstreamBytesSent += end - start;
    this.upstream?.write(bytes, start, end);
  }

  /** The head of a CONNECT ends at once, and that is no FIN of the tunnel. */
  onEnd(): void {
    if (this.stream.response === null) return;
    this.clientEnded = true;
    this.upstream?.end();
  }

  stop(): void {
    const { upstream } = this;
    this.upstream = null;
    if (upstream !== null) {
      if (this.clientEnded && this.upstreamEnded) upstream.leave();
      else upstream.close();
    }
    this.stream.connection.pressure.release(PausedByUpstream);
  }

  pauseUpstream(): void {
    this.upstream?.pause();
  }

  resumeUpstream(): void {
    this.upstream?.resume();
  }

  onRouteTimeout(): void {}

  onTryTimer(): void {}

  // ── The upstream's side ───────────────────────────────────────────────────────────────────────────────────

  onUpstreamConnected(): void {
    const { stream, head } = this;
    const upstream = this.upstream as TcpUpstream;
    head.status = 200;
    stream.upstreamLocal = upstream.local;
    stream.responseCodeDetails = "via_upstream";
    this.charge(200);
    upstream.endpoint.rqSuccess++;
    stream.sendHead(head, AsTunnel, -1, false);
    if (stream.holdsUpstream) upstream.pause();
  }

  onUpstreamData(chunk: Uint8Array): void {
    this.stream.upstreamBytesReceived += chunk.length;
    this.stream.sendBody(chunk, 0, chunk.length);
  }

  onUpstreamEnd(): void {
    this.upstreamEnded = true;
    this.stream.sendEnd(null);
  }

  onUpstreamBlocked(): void {
    this.stream.connection.pressure.press(PausedByUpstream);
  }

  onUpstreamDrain(): void {
    this.stream.touch();
    this.stream.connection.pressure.release(PausedByUpstream);
  }

  onUpstreamClosed(reason: CloseReason, connected: boolean, timedOut: boolean): void {
    const { stream } = this;
    if (connected) {
      if (this.upstreamEnded && reason === "") return; // both have ended; the stream is about to know
      stream.flag("UC");
      stream.abort();
      return;
    }
    const text = connectFailureText(reason);
    stream.upstreamFailure = underscored(text);
    if (this.upstream !== null) this.upstream.endpoint.rqError++;
    this.fail(timedOut ? "connection timeout" : "remote connection failure", timedOut ? "" : text);
  }

  private fail(why: ResetReason, detail: string): void {
    const { status, body, details, flag, headers } = describeFailure(why, detail, null, false);
    const { suppressEnvoyHeaders } = this.stream.manager.config.router;
    this.charge(status);
    this.stream.reply(status, body, details, flag, suppressEnvoyHeaders ? [] : headers);
  }

  private charge(status: number): void {
    if (this.stream.manager.config.router.dynamicStats) this.cluster.responses.charge(status, false);
  }
}
