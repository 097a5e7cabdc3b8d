/** Metrics of the host. Names follow the host's rules: Envoy shows `x_y` as `wasmcustom.x_y`. Define once, keep. */
import { Status } from "./abi";
import { allocate } from "./arena";
import { proxy_define_metric, proxy_get_metric, proxy_increment_metric, proxy_record_metric } from "./env";
import { Slice } from "./slice";

/** There is nothing behind the reference: its address is the number that the host gave the metric. */
@unmanaged
@final
export class Counter {
  static define(name: string): Counter {
    return changetype<Counter>(define(0, name));
  }

  /** Adds `delta`, which is positive. */
  increment(delta: i64 = 1): void {
    proxy_increment_metric(id(changetype<usize>(this)), delta);
  }

  get value(): u64 {
    return read(changetype<usize>(this));
  }
}

/** A value that goes up and down. */
@unmanaged
@final
export class Gauge {
  static define(name: string): Gauge {
    return changetype<Gauge>(define(1, name));
  }

  record(value: u64): void {
    proxy_record_metric(id(changetype<usize>(this)), value);
  }

  add(delta: i64): void {
    proxy_increment_metric(id(changetype<usize>(this)), delta);
  }

  get value(): u64 {
    return read(changetype<usize>(this));
  }
}

/** A distribution of values. */
@unmanaged
@final
export class Histogram {
  static define(name: string): Histogram {
    return changetype<Histogram>(define(2, name));
  }

  record(value: u64): void {
    proxy_record_metric(id(changetype<usize>(this)), value);
  }
}

// Ids may be 0, references may not: what is kept is the id, inverted.
function define(type: i32, name: string): usize {
  const bytes = Slice.from(name);
  const place = allocate(4);
  store<u32>(place, u32.MAX_VALUE - 1);
  if (proxy_define_metric(type, bytes.ptr, bytes.length, place) !== Status.Ok) return 1;
  return ~(<usize>load<u32>(place));
}

function id(reference: usize): u32 {
  return <u32>~reference;
}

function read(reference: usize): u64 {
  const place = allocate(8);
  store<u64>(place, 0);
  proxy_get_metric(id(reference), place);
  return load<u64>(place);
}
