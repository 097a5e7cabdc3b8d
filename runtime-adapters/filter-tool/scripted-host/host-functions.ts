/**
 * The host functions of the scripted host, each with a line in its record. What a filter may not do (bytes out of
 * range, unknown ids, maps out of their phase) is answered as Envoy answers it.
 */
import type { HeaderList } from "./fake-stream.ts";
import { deserialise, giveBytes, readBytes, serialise, writeLong, writeNumber } from "./guest-bytes.ts";
import type { ScriptedHost } from "./scripted-host.ts";

const OK = 0;
const NOT_FOUND = 1;
const BAD_ARGUMENT = 2;
const EMPTY = 7;
const CAS_MISMATCH = 8;

const MAPS = [
  "request",
  "request trailers",
  "response",
  "response trailers",
  "",
  "",
  "call",
  "call trailers",
];
const BUFFERS = [
  "request",
  "response",
  "downstream",
  "upstream",
  "call",
  "grpc",
  "vm",
  "plugin",
  "arguments",
];
const STREAMS = ["request", "response", "downstream", "upstream"];
const METRICS = ["counter", "gauge", "histogram"];

type HostFunctions = { [name: string]: (...values: never[]) => number };

export function hostFunctions(host: ScriptedHost): HostFunctions {
  const all = { ...headerFunctions(host), ...streamFunctions(host), ...worldFunctions(host) };
  return Object.fromEntries(
    Object.entries(all).map(([name, call]) => [
      name,
      (...values: never[]) => host.answers[name] ?? call(...values),
    ]),
  );
}

/** The one function of WASI that our filters use. Its numbers are not random: the same filter does the same again. */
export function wasiFunctions(host: ScriptedHost): HostFunctions {
  return {
    random_get(at: number, size: number) {
      host.calls.push(`random ${size}`);
      const bytes = new Uint8Array(host.guest.memory.buffer, at >>> 0, size >>> 0);
      for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 37 + 11) & 255;
      return OK;
    },
  };
}

/** In quotes, with bytes that are not printable as escapes. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

function headerFunctions(host: ScriptedHost): HostFunctions {
  const read = (at: number, size: number) => readBytes(host.guest, at, size);
  const record = (line: string) => host.calls.push(line);

  function map(id: number): HeaderList | null {
    if (id >= 6) return (id === 6 ? host.answer?.headers : host.answer?.trailers) ?? null;
    return host.stream?.maps[id] ?? null;
  }

  /** Changes the map `id` in place. */
  function edit(id: number, change: (list: HeaderList) => HeaderList): number {
    const list = map(id);
    if (list === null || id >= 6) return BAD_ARGUMENT;
    list.splice(0, list.length, ...change([...list]));
    return OK;
  }

  const without = (list: HeaderList, name: string) => list.filter(([other]) => other !== name);

  return {
    proxy_get_header_map_value(id: number, at: number, size: number, returnAt: number, returnSize: number) {
      const name = read(at, size).toLowerCase();
      record(`get ${MAPS[id]} ${quoted(name)}`);
      const list = map(id);
      if (list === null) return BAD_ARGUMENT;
      const found = list.find(([other]) => other === name);
      if (found === undefined) return NOT_FOUND;
      giveBytes(host.guest, found[1], returnAt, returnSize);
      return OK;
    },
    proxy_add_header_map_value(id: number, at: number, size: number, valueAt: number, valueSize: number) {
      const [name, value] = [read(at, size).toLowerCase(), read(valueAt, valueSize)];
      record(`add ${MAPS[id]} ${quoted(name)} ${quoted(value)}`);
      return edit(id, (list) => [...list, [name, value]]);
    },
    proxy_replace_header_map_value(id: number, at: number, size: number, valueAt: number, valueSize: number) {
      const [name, value] = [read(at, size).toLowerCase(), read(valueAt, valueSize)];
      record(`set ${MAPS[id]} ${quoted(name)} ${quoted(value)}`);
      return edit(id, (list) => {
        const place = list.findIndex(([other]) => other === name);
        if (place < 0) return [...list, [name, value]];
        const before = list.slice(0, place);
        return [...before, [name, value], ...without(list.slice(place + 1), name)];
      });
    },
    proxy_remove_header_map_value(id: number, at: number, size: number) {
      const name = read(at, size).toLowerCase();
      record(`remove ${MAPS[id]} ${quoted(name)}`);
      return edit(id, (list) => without(list, name));
    },
    proxy_get_header_map_pairs(id: number, returnAt: number, returnSize: number) {
      record(`get all ${MAPS[id]}`);
      giveBytes(host.guest, serialise(map(id) ?? []), returnAt, returnSize);
      return OK;
    },
    proxy_set_header_map_pairs(id: number, at: number, size: number) {
      const pairs = deserialise(read(at, size));
      record(`set all ${MAPS[id]} ${pairs.map(([name]) => name).join(" ")}`);
      return edit(id, () => pairs);
    },
  };
}

function streamFunctions(host: ScriptedHost): HostFunctions {
  const read = (at: number, size: number) => readBytes(host.guest, at, size);
  const record = (line: string) => host.calls.push(line);

  function buffer(id: number): string | null {
    if (id === 4) return host.answer?.body ?? null;
    if (id === 7) return host.pluginConfiguration;
    return host.stream?.buffers[id] ?? null;
  }

  return {
    proxy_get_buffer_bytes(id: number, start: number, max: number, returnAt: number, returnSize: number) {
      const [from, most] = [start >>> 0, max >>> 0];
      record(`read ${BUFFERS[id]} ${from} ${most}`);
      const bytes = buffer(id);
      if (from + most > 0xffffffff) return BAD_ARGUMENT;
      if (bytes === null) return NOT_FOUND;
      giveBytes(host.guest, bytes.slice(from, from + most), returnAt, returnSize);
      return OK;
    },
    proxy_get_buffer_status(id: number, returnSize: number, returnFlags: number) {
      record(`size of ${BUFFERS[id]}`);
      const bytes = buffer(id);
      if (bytes === null) return NOT_FOUND;
      writeNumber(host.guest, returnSize, bytes.length);
      writeNumber(host.guest, returnFlags, 0);
      return OK;
    },
    proxy_set_buffer_bytes(id: number, start: number, length: number, at: number, size: number) {
      const [from, removed, bytes] = [start >>> 0, length >>> 0, read(at, size)];
      record(`write ${BUFFERS[id]} ${from} ${removed} ${quoted(bytes)}`);
      const { stream } = host;
      const old = stream?.buffers[id] ?? null;
      if (stream === null || old === null) return BAD_ARGUMENT;
      if (from > 0 && from < old.length) return BAD_ARGUMENT;
      stream.buffers[id] = from === 0 ? bytes + old.slice(removed) : old + bytes;
      return OK;
    },
    proxy_continue_stream(type: number) {
      record(`continue ${STREAMS[type]}`);
      if (type === 3) return 12;
      host.stream?.resumed.push(`continue ${STREAMS[type]}`);
      return STREAMS[type] === undefined ? BAD_ARGUMENT : OK;
    },
    proxy_close_stream(type: number) {
      record(`close ${STREAMS[type]}`);
      host.stream?.resumed.push(`close ${STREAMS[type]}`);
      return STREAMS[type] === undefined ? BAD_ARGUMENT : OK;
    },
    proxy_send_local_response(
      status: number,
      ...[detailsAt, detailsSize, bodyAt, bodySize, headersAt, headersSize, grpcStatus]: number[]
    ) {
      const { stream } = host;
      record(`reply ${status}`);
      if (stream === null) return BAD_ARGUMENT;
      stream.reply ??= {
        status,
        details: read(detailsAt, detailsSize),
        body: read(bodyAt, bodySize),
        headers: deserialise(read(headersAt, headersSize)),
        grpcStatus,
      };
      return OK;
    },
    proxy_set_effective_context(id: number) {
      record(`act for ${id}`);
      return host.setEffective(id >>> 0) ? OK : BAD_ARGUMENT;
    },
    proxy_done() {
      record("done");
      return OK;
    },
  };
}

function worldFunctions(host: ScriptedHost): HostFunctions {
  const read = (at: number, size: number) => readBytes(host.guest, at, size);
  const record = (line: string) => host.calls.push(line);

  return {
    proxy_log(level: number, at: number, size: number) {
      if (level < 0 || level > 5) return BAD_ARGUMENT;
      host.log(level, read(at, size));
      return OK;
    },
    proxy_get_log_level(returnLevel: number) {
      writeNumber(host.guest, returnLevel, 0);
      return OK;
    },
    proxy_get_current_time_nanoseconds(returnTime: number) {
      record("time");
      writeLong(host.guest, returnTime, host.time);
      return OK;
    },
    proxy_set_tick_period_milliseconds(ms: number) {
      record(`tick every ${ms >>> 0} ms`);
      host.tickPeriod = ms >>> 0;
      return OK;
    },
    proxy_get_property(at: number, size: number, returnAt: number, returnSize: number) {
      const path = read(at, size).replaceAll("\0", ".");
      record(`property ${path}`);
      const value = host.stream?.properties.get(path) ?? host.properties.get(path);
      if (value === undefined) return NOT_FOUND;
      giveBytes(host.guest, value, returnAt, returnSize);
      return OK;
    },
    proxy_set_property(at: number, size: number, valueAt: number, valueSize: number) {
      const [path, value] = [read(at, size).replaceAll("\0", "."), read(valueAt, valueSize)];
      record(`set property ${path} ${quoted(value)}`);
      host.stream?.properties.set(path, value);
      return OK;
    },
    proxy_http_call(
      ...[
        clusterAt,
        clusterSize,
        headersAt,
        headersSize,
        bodyAt,
        bodySize,
        ,
        ,
        timeout,
        returnToken,
      ]: number[]
    ) {
      const cluster = read(clusterAt, clusterSize);
      const headers = deserialise(read(headersAt, headersSize));
      record(`call ${cluster}`);
      for (const name of [":method", ":path", ":authority"]) {
        if (!headers.some(([other]) => other === name)) return BAD_ARGUMENT;
      }
      if (timeout < 0) return BAD_ARGUMENT;
      const token = host.dispatch({ cluster, headers, body: read(bodyAt, bodySize), timeout });
      writeNumber(host.guest, returnToken, token);
      return OK;
    },
    proxy_get_shared_data(at: number, size: number, returnAt: number, returnSize: number, returnCas: number) {
      const key = read(at, size);
      record(`get shared ${quoted(key)}`);
      const entry = host.shared.get(key);
      if (entry === undefined) {
        host.afterRead?.();
        return NOT_FOUND;
      }
      giveBytes(host.guest, entry.value, returnAt, returnSize);
      writeNumber(host.guest, returnCas, entry.cas);
      host.afterRead?.();
      return OK;
    },
    proxy_set_shared_data(at: number, size: number, valueAt: number, valueSize: number, cas: number) {
      const [key, value] = [read(at, size), read(valueAt, valueSize)];
      record(`set shared ${quoted(key)}`);
      const entry = host.shared.get(key);
      if (entry !== undefined && cas !== 0 && cas >>> 0 !== entry.cas) return CAS_MISMATCH;
      host.shared.set(key, { value, cas: (entry?.cas ?? 0) + 1 });
      return OK;
    },
    proxy_register_shared_queue(at: number, size: number, returnId: number) {
      const name = read(at, size);
      record(`queue ${quoted(name)}`);
      let place = host.queues.findIndex((queue) => queue.name === name);
      if (place < 0) place = host.queues.push({ name, entries: [] }) - 1;
      writeNumber(host.guest, returnId, place + 1);
      return OK;
    },
    proxy_resolve_shared_queue(_vmAt: number, _vmSize: number, at: number, size: number, returnId: number) {
      const name = read(at, size);
      record(`resolve queue ${quoted(name)}`);
      const place = host.queues.findIndex((queue) => queue.name === name);
      if (place < 0) return NOT_FOUND;
      writeNumber(host.guest, returnId, place + 1);
      return OK;
    },
    proxy_enqueue_shared_queue(id: number, at: number, size: number) {
      record(`enqueue ${id}`);
      return host.queues[id - 1]?.entries.push(read(at, size)) === undefined ? NOT_FOUND : OK;
    },
    proxy_dequeue_shared_queue(id: number, returnAt: number, returnSize: number) {
      record(`dequeue ${id}`);
      const queue = host.queues[id - 1];
      if (queue === undefined) return NOT_FOUND;
      const entry = queue.entries.shift();
      if (entry === undefined) return EMPTY;
      giveBytes(host.guest, entry, returnAt, returnSize);
      return OK;
    },
    proxy_define_metric(type: number, at: number, size: number, returnId: number) {
      const name = read(at, size);
      record(`define ${METRICS[type]} ${name}`);
      let place = host.metrics.findIndex((metric) => metric.name === name);
      if (place < 0) place = host.metrics.push({ type, name, value: 0n }) - 1;
      writeNumber(host.guest, returnId, place);
      return OK;
    },
    proxy_increment_metric(id: number, delta: bigint) {
      const metric = host.metrics[id];
      if (metric === undefined) return NOT_FOUND;
      record(`${metric.name} += ${delta}`);
      if (metric.type === 2 || (metric.type === 0 && delta <= 0n)) return BAD_ARGUMENT;
      metric.value += delta;
      return OK;
    },
    proxy_record_metric(id: number, value: bigint) {
      const metric = host.metrics[id];
      if (metric === undefined) return NOT_FOUND;
      record(`${metric.name} = ${BigInt.asUintN(64, value)}`);
      metric.value = metric.type === 0 ? metric.value + value : value;
      return OK;
    },
    proxy_get_metric(id: number, returnValue: number) {
      const metric = host.metrics[id];
      if (metric === undefined) return NOT_FOUND;
      record(`value of ${metric.name}`);
      if (metric.type === 2) return BAD_ARGUMENT;
      writeLong(host.guest, returnValue, metric.value);
      return OK;
    },
    proxy_call_foreign_function(
      ...[nameAt, nameSize, argumentAt, argumentSize, returnAt, returnSize]: number[]
    ) {
      const name = read(nameAt, nameSize);
      record(`foreign ${name}`);
      const answer = host.foreign.get(name)?.(read(argumentAt, argumentSize));
      if (answer === undefined || answer === null) return NOT_FOUND;
      if (returnAt !== 0) giveBytes(host.guest, answer, returnAt, returnSize);
      return OK;
    },
  };
}
