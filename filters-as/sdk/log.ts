/**
 * Log lines. The level below which nothing is said can be set once with `setLogLevel`, for instance from the
 * plugin's configuration; a line below it costs one comparison, if its text is not built first: ask `isLogged`.
 *
 * `proxy_get_log_level` is not used: it is an import that hosts of ABI 0.2.0 lack.
 */
import { LogLevel } from "./abi";
import { proxy_log } from "./env";
import { Slice } from "./slice";

let lowest: i32 = LogLevel.Info;

/** Lines below this level are not given to the host. `Info` until it is called. */
export function setLogLevel(level: LogLevel): void {
  lowest = level;
}

/** True if lines of this level are said: ask before building a dear one. */
export function isLogged(level: LogLevel): bool {
  return level >= lowest;
}

/** Gives the host a line, as UTF-8. */
export function log(level: LogLevel, text: string): void {
  if (level >= lowest) logBytes(level, Slice.from(text));
}

/** As `log`, for a line that exists as bytes. */
export function logBytes(level: LogLevel, line: Slice): void {
  if (level >= lowest) proxy_log(level, line.ptr, line.length);
}

/** `log` at this level; so the three below. */
export function debug(text: string): void {
  log(LogLevel.Debug, text);
}

export function info(text: string): void {
  log(LogLevel.Info, text);
}

export function warn(text: string): void {
  log(LogLevel.Warn, text);
}

export function error(text: string): void {
  log(LogLevel.Error, text);
}
