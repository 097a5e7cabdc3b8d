/** A stand-in for the proxy engine: answers every connection with its worker's number and closes when told to drain. */
import type { Snapshot } from "../../core/config/model.ts";
import type { Socket, SocketHandler } from "../../core/io/socket.ts";
import type { StatsStore } from "../../core/telemetry/stats.ts";
import type { Engine, MakeEngine } from "../../runtime-adapters/sidecar/worker-control.ts";

class StubEngine implements Engine {
  activeConnections = 0;
  readonly warmingClusters: readonly string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly workerIndex: number;
  private readonly stats: StatsStore;
  private names: readonly string[] = [];

  constructor(workerIndex: number, stats: StatsStore) {
    this.workerIndex = workerIndex;
    this.stats = stats;
  }

  apply(snapshot: Snapshot): void {
    this.names = snapshot.listeners.map(({ name, version }) => `${name}@${version}`);
    if (this.names.some((name) => name.startsWith("crash"))) {
      setTimeout(() => {
        process.exit(7); // ends the worker's thread
      }, 10);
    }
  }

  accept(listenerName: string, socket: Socket): SocketHandler | null {
    this.activeConnections++;
    this.sockets.add(socket);
    this.stats.scope("stub.", "stub.", {}).counter("accepted").value++;
    const text = `${listenerName} of ${this.names.join(",")} in ${this.workerIndex}\n`;
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    socket.write(bytes, 0, bytes.length);
    return {
      onConnect() {},
      onData() {},
      onEnd() {
        socket.close();
      },
      onBlocked() {},
      onDrain() {},
      onClose: () => {
        this.activeConnections--;
        this.sockets.delete(socket);
      },
    };
  }

  drain(): void {
    for (const socket of this.sockets) socket.close();
  }

  async loadWasm(): Promise<void> {}
  setWasm(): void {}
  queueReady(): void {}
  hearHealth(): void {}
  failHealthCheck(): void {}
  endChecks(): void {}
  readonly drainingListeners = 0;
  measureBuffers(): void {}
  clusterStatus() {
    return [];
  }
  nextDeadline(): number {
    return Number.POSITIVE_INFINITY;
  }
  expire(): void {}
}

/** See `MakeEngine`. */
export const makeStubEngine: MakeEngine = (_platform, _clock, stats, { workerIndex }) =>
  new StubEngine(workerIndex, stats);
