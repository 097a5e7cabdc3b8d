/**
 * The `date` field (RFC 9110 5.6.7, IMF-fixdate), written once a second. Calendar arithmetic by hand: the core
 * has no locale and asks no runtime for the time.
 */
import type { Clock } from "./clock.ts";

const DAYS = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]; // 1 January 1970 was a Thursday
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

export class HttpDate {
  private readonly clock: Clock;
  private second = -1;
  private text = "";

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Now, e.g. "Sat, 21 Nov 2026 08:49:37 GMT". */
  now(): string {
    const second = Math.floor(this.clock.wall / 1000);
    if (second !== this.second) {
      this.second = second;
      this.text = httpDate(second);
    }
    return this.text;
  }
}

/** `second`: Unix time in seconds. */
export function httpDate(second: number): string {
  const days = Math.floor(second / 86400);
  const rest = second - days * 86400;
  // Days to civil date (proleptic Gregorian), counted from 1 March 0000 so that leap days come last.
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const doe = z - era * 146097;
  const yoe = Math.floor(
    (doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365,
  );
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const day = doy - Math.floor((153 * mp + 2) / 5) + 1;
  const month = mp < 10 ? mp + 2 : mp - 10;
  const year = yoe + era * 400 + (month < 2 ? 1 : 0);
  const time = `${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return `${DAYS[((days % 7) + 7) % 7]}, ${two(day)} ${MONTHS[month]} ${year} ${time} GMT`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}
