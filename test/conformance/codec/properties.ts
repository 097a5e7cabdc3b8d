/** The properties themselves, as functions that throw: used on the real codec, and on broken ones as a control. */
import { expect } from "bun:test";
import { llhttpRequests } from "./llhttp-oracle.ts";
import { type Feed, feedAsIs, parseRequests, type Transcript } from "./transcript.ts";

type Parse = (
  text: string,
  chunking: "whole" | "bytes" | number,
  finish?: boolean,
  feed?: Feed,
) => Transcript;

/** What must not depend on the cut. */
function outcome({ messages, status, afterFault }: Transcript) {
  return { messages, status, afterFault };
}

/** P1, P2, P6: any cut gives the same reports; nothing is thrown; nothing follows a fault. */
export function checkSplits(parse: Parse, text: string, seed: number, feed: Feed = feedAsIs): void {
  for (const finish of [true, false]) {
    const whole = parse(text, "whole", finish, feed);
    expect(whole.afterFault).toBe(0);
    expect(outcome(parse(text, "bytes", finish, feed))).toEqual(outcome(whole));
    expect(outcome(parse(text, seed, finish, feed))).toEqual(outcome(whole));
  }
}

/**
 * P8: on a stream that ends with FIN. We may refuse more than llhttp, and earlier; we never accept a message that
 * it refuses, and a message that both accept is the same one. Two things that llhttp refuses are none of its
 * business here: methods outside its list, and bytes behind `Connection: close`.
 */
export function checkAgainstLlhttp(bytes: string, feed: Feed = feedAsIs): void {
  const ours = parseRequests(bytes, "whole", true, feed);
  const theirs = llhttpRequests(bytes);
  const whole = ours.messages.filter((message) => message.complete);
  for (const [i, message] of whole.entries()) {
    const other = theirs.messages[i];
    const where = () => `message ${i} of ${JSON.stringify(bytes)}; llhttp: ${theirs.error || "no error"}`;
    if (/method|Pause on (CONNECT|PRI)|after `Connection: close`|Upgrade/i.test(theirs.error)) {
      if (other === undefined || !other.complete) return;
    }
    if (other === undefined || !other.complete) {
      throw new Error(`we accept what llhttp does not: ${where()}`);
    }
    if (message.body !== other.body) {
      throw new Error(
        `bodies differ: ${JSON.stringify(message.body)} and ${JSON.stringify(other.body)} in ${where()}`,
      );
    }
    const method = message.start.slice(0, message.start.indexOf(" "));
    if (method !== other.method)
      throw new Error(`methods differ: ${method} and ${other.method} in ${where()}`);
  }
}
