/**
 * A filter that uses what the SDK offers beside HTTP streams: each tick does one of the steps that its configuration
 * lists and logs what came of it; TCP connections are echoed in upper case.
 */
import {
  Action,
  Bytes,
  Counter,
  callForeign,
  closeStream,
  continueDownstream,
  dequeue,
  downstreamData,
  enqueue,
  foreignArguments,
  Gauge,
  getProperty,
  getPropertyBool,
  getPropertyInteger,
  getPropertyNumber,
  getPropertyString,
  getShared,
  Histogram,
  info,
  JsonDocument,
  LogLevel,
  log,
  NetworkContext,
  now,
  Peer,
  propertyPath,
  RootContext,
  register,
  registerQueue,
  resolveQueue,
  Slice,
  StreamType,
  setLogLevel,
  setProperty,
  setShared,
  setTickPeriod,
  upstreamData,
} from "../sdk/sdk";

export {
  proxy_on_downstream_connection_close,
  proxy_on_downstream_data,
  proxy_on_new_connection,
} from "../sdk/exports/network";
export * from "../sdk/exports/plugin";
export {
  proxy_on_done,
  proxy_on_foreign_function,
  proxy_on_queue_ready,
  proxy_on_tick,
  proxy_on_vm_start,
} from "../sdk/exports/root";

const KEY = Slice.of("key");
const NAME = propertyPath(["node", "meta.data", "name"]);
const COUNT = propertyPath(["count"]);
const SHARE = propertyPath(["share"]);
const FLAG = propertyPath(["flag"]);

class WorldRoot extends RootContext {
  private steps: Bytes[] = [];
  private at: i32 = 0;
  private queue: u32 = 0;
  private counter: Counter = Counter.define("world_counter");
  private gauge: Gauge = Gauge.define("world_gauge");
  private histogram: Histogram = Histogram.define("world_histogram");

  onStart(_configurationSize: u32): bool {
    info("start");
    return true;
  }

  onConfigure(configuration: Slice): bool {
    const document = JsonDocument.parse(configuration);
    const root = document.root;
    if (root !== null) this.steps = root.getStrings("steps");
    setTickPeriod(10);
    return document.finish();
  }

  onTick(): void {
    const step = this.steps[this.at++].toString();
    info(`${step}: ${this.take(step)}`);
  }

  private take(step: string): string {
    if (step === "counter") {
      this.counter.increment();
      this.counter.increment(4);
      return this.counter.value.toString();
    }
    if (step === "gauge") {
      this.gauge.record(7);
      this.gauge.add(-2);
      return this.gauge.value.toString();
    }
    if (step === "histogram") {
      this.histogram.record(u64.MAX_VALUE);
      return "";
    }
    if (step === "properties") {
      const raw = getProperty(NAME);
      return `${getPropertyString(NAME)} ${raw === null ? -1 : raw.length} ${getPropertyInteger(COUNT, -1)} ${getPropertyNumber(SHARE, -1)} ${getPropertyBool(FLAG, true)}`;
    }
    if (step === "set-property") return setProperty(NAME, KEY).toString();
    if (step === "read-shared") {
      const value = getShared(KEY);
      return value === null ? "none" : `${value.bytes.toString()} ${value.cas}`;
    }
    if (step === "write-shared") return setShared(KEY, Slice.from("free")).toString();
    if (step === "swap-shared") {
      const value = getShared(KEY)!;
      const cas = value.cas;
      const first = setShared(KEY, Slice.from("one"), cas);
      return `${first} ${setShared(KEY, Slice.from("two"), cas)}`;
    }
    if (step === "queue") {
      this.queue = registerQueue(Slice.from("jobs"));
      const same = resolveQueue(Slice.empty, Slice.from("jobs")) === this.queue;
      return `${same} ${resolveQueue(Slice.empty, Slice.from("none"))} ${enqueue(this.queue, Slice.from("job"))}`;
    }
    if (step === "foreign") {
      const answer = callForeign(Slice.from("reverse"), Slice.from("abc"));
      const none = callForeign(Slice.from("none"));
      return `${answer === null ? "-" : answer.toString()} ${none === null}`;
    }
    if (step === "clock") return now().toString();
    if (step === "levels") {
      log(LogLevel.Debug, "not said");
      setLogLevel(LogLevel.Debug);
      log(LogLevel.Debug, "said");
      return "";
    }
    return "?";
  }

  onQueueReady(queue: u32): void {
    const job = dequeue(queue);
    const next = dequeue(queue);
    info(`${job === null ? "-" : job.toString()} ${next === null}`);
  }

  onForeignFunction(number: u32, size: u32): void {
    const bytes = foreignArguments.get();
    info(`called ${number} ${size} ${bytes === null}`);
  }

  onDone(): bool {
    info("done");
    return true;
  }

  onDelete(): void {
    info("deleted");
  }

  createNetworkContext(): NetworkContext {
    return new WorldConnection();
  }
}

class WorldConnection extends NetworkContext {
  private seen: u32 = 0;

  onNewConnection(): Action {
    return Action.Pause;
  }

  onDownstreamData(size: u32, endOfStream: bool): Action {
    this.seen += size;
    const data = downstreamData.get();
    if (data === null) return Action.Continue;
    downstreamData.replace(Slice.from(data.toString().toUpperCase()));
    downstreamData.prepend(Slice.from("<"));
    downstreamData.append(Slice.from(">"));
    downstreamData.replaceStart(1, Slice.from("["));
    if (upstreamData.get() === null && upstreamData.size === 0) continueDownstream();
    if (endOfStream) closeStream(StreamType.Downstream);
    return downstreamData.size > size ? Action.Continue : Action.Pause;
  }

  onDownstreamClose(by: Peer): void {
    info(`closed by ${by} after ${this.seen}`);
  }
}

register(() => new WorldRoot(), "world");
