/**
 * A filter that tells what it finds at each of many property paths, in every callback that it is given: in the log,
 * `[[<callback> <index>=<status>:<value as hex>]]`, many on a line, so that any host can be asked. As a request begins
 * it leaves the value "left" at "probe.state".
 */
import type { CompiledModule } from "../../filters/wasm/compiled-module.ts";
import { guestWith, type Wat } from "./guest.ts";

/** Lines are made above the strings of the guest and below its heap. */
const LINE = 32_768;
/** A line is as long before it is written, and so much is told of one value. */
const FULL = 2500;
/** Bytes of one value that are told. */
export const TOLD = 500;

const PROBE = `
  (global $p (mut i32) #${LINE})
  (func $put (param $char i32)
    (i32.store8 (global.get $p) (local.get $char))
    (global.set $p (i32.add (global.get $p) #1)))
  (func $put_text (param $from i32) (param $size i32)
    (memory.copy (global.get $p) (local.get $from) (local.get $size))
    (global.set $p (i32.add (global.get $p) (local.get $size))))
  (func $put_number (param $n i32)
    (if (i32.gt_u (local.get $n) #9) (then (call $put_number (i32.div_u (local.get $n) #10))))
    (call $put (i32.add #48 (i32.rem_u (local.get $n) #10))))
  (func $put_digit (param $n i32)
    (call $put (i32.add (local.get $n) (select #87 #48 (i32.gt_u (local.get $n) #9)))))
  (func $put_hex (param $at i32) (param $size i32)
    (block $done (loop $more
      (br_if $done (i32.eqz (local.get $size)))
      (call $put_digit (i32.shr_u (i32.load8_u (local.get $at)) #4))
      (call $put_digit (i32.and (i32.load8_u (local.get $at)) #15))
      (local.set $at (i32.add (local.get $at) #1))
      (local.set $size (i32.sub (local.get $size) #1))
      (br $more))))
  (func $probe (param $name i32) (param $size i32) (param $index i32) (param $path i32) (param $length i32)
    (local $status i32)
    (i32.store #16 #0) (i32.store #20 #0)
    (local.set $status (call $get_property (local.get $path) (local.get $length) #out))
    (call $put #91) (call $put #91)
    (call $put_text (local.get $name) (local.get $size))
    (call $put #32)
    (call $put_number (local.get $index))
    (call $put #61)
    (call $put_number (local.get $status))
    (call $put #58)
    (if (i32.eqz (local.get $status)) 
      (then (call $put_hex (i32.load #16)
        (select (i32.load #20) #${TOLD} (i32.lt_u (i32.load #20) #${TOLD})))))
    (call $put #93) (call $put #93)
    (if (i32.gt_u (global.get $p) #${LINE + FULL}) (then (call $write))))
  (func $write
    (drop (call $log #3 #${LINE} (i32.sub (global.get $p) #${LINE})))
    (global.set $p #${LINE}))`;

/** Callbacks that answer nothing. */
const SILENT = ["log", "delete", "http_call_response"];

/** The probe of `paths` (segments joined by NUL) in `callbacks`. */
export function propertyProbe(paths: readonly string[], callbacks: readonly string[]): CompiledModule {
  const texts: string[] = [];
  const parts: (string | Wat)[] = [];
  let text = PROBE;
  const add = (before: string, part: string): void => {
    texts.push(text + before);
    parts.push(part);
    text = "";
  };
  for (const callback of callbacks) {
    text += ` (on ${callback}`;
    if (callback === "request_headers" || callback === "new_connection") {
      add(" (drop (call $set_property ", "probe.state");
      add(" ", "left");
      text += "))";
    }
    paths.forEach((path, i) => {
      add(" (call $probe ", callback);
      add(` #${i} `, path);
      text += ")";
    });
    text += ` (call $write) ${SILENT.includes(callback) ? "" : `#${callback === "configure" ? 1 : 0}`})`;
  }
  texts.push(text);
  return guestWith({ forEnvoy: true })(texts as unknown as TemplateStringsArray, ...parts);
}

export interface Found {
  readonly status: number;
  /** A byte string. */
  readonly value: string;
}

/** What probes wrote to a log: by "<callback> <path>". */
export function findings(log: string, paths: readonly string[]): Map<string, Found> {
  const found = new Map<string, Found>();
  for (const [, callback, index, status, hex] of log.matchAll(/\[\[(\w+) (\d+)=(\d+):([0-9a-f]*)\]\]/g)) {
    const value = hex.replace(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16)));
    found.set(`${callback} ${paths[Number(index)]}`, { status: Number(status), value });
  }
  return found;
}
