/**
 * Compares what was seen with what a vector wants. Besides the vector's own wishes it holds every exchange to the
 * laws of a proxy: only clean messages on both wires, and the next user of the pool gets its own answer.
 */
import type { Outcome } from "../support/exchange.ts";
import {
  quote,
  valuesOf,
  type WireMessage,
  type WireRequest,
  type WireResponse,
} from "../support/wire-reader.ts";
import type { AnswerWanted, FieldsWanted, RequestWanted, Vector } from "./vector.ts";

function judgeFields(
  wanted: FieldsWanted,
  values: (name: string) => readonly string[],
  where: string,
  faults: string[],
): void {
  for (const [name, want] of Object.entries(wanted)) {
    const got = values(name.toLowerCase());
    if (want === null) {
      if (got.length > 0)
        faults.push(`${where}: field ${name} must not be there, is ${quote(got.join(" | "))}`);
    } else if (want === true) {
      if (got.length === 0) faults.push(`${where}: field ${name} is missing`);
    } else {
      const list = typeof want === "string" ? [want] : want;
      if (got.length !== list.length || got.some((value, i) => value !== list[i])) {
        faults.push(`${where}: field ${name} is ${quote(got.join(" | "))}, not ${quote(list.join(" | "))}`);
      }
    }
  }
}

function judgeAnswer(wanted: AnswerWanted, got: WireResponse, where: string, faults: string[]): void {
  const statuses = typeof wanted.status === "number" ? [wanted.status] : wanted.status;
  if (!statuses.includes(got.status))
    faults.push(`${where}: status ${got.status}, not ${statuses.join(" or ")}`);
  if (wanted.body !== undefined && got.body !== wanted.body) {
    faults.push(`${where}: body ${quote(got.body)}, not ${quote(wanted.body)}`);
  }
  if (wanted.fields) judgeFields(wanted.fields, (name) => valuesOf(got, name), where, faults);
  if (wanted.interim) {
    const interim = got.interim.map((head) => head.status);
    if (interim.join() !== wanted.interim.join()) {
      faults.push(`${where}: interim [${interim}], not [${wanted.interim}]`);
    }
  }
  const complete = got.complete || got.framing === "tunnel";
  if (complete !== (wanted.complete ?? true)) {
    faults.push(
      `${where}: ${complete ? "looks complete" : "is cut off"} (${got.framing}, ${got.body.length} bytes)`,
    );
  }
}

function judgeRequest(wanted: RequestWanted, got: WireRequest, where: string, faults: string[]): void {
  if (wanted.line !== undefined && got.line !== wanted.line) {
    faults.push(`${where}: ${quote(got.line)}, not ${quote(wanted.line)}`);
  }
  if (wanted.body !== undefined && got.body !== wanted.body) {
    faults.push(`${where}: body ${quote(got.body)}, not ${quote(wanted.body)}`);
  }
  if (wanted.fields) judgeFields(wanted.fields, (name) => valuesOf(got, name), where, faults);
  if (wanted.trailers) {
    const trailers = got.trailers;
    judgeFields(
      wanted.trailers,
      (name) => trailers.filter(([n]) => n === name).map(([, value]) => value),
      `${where} trailers`,
      faults,
    );
  }
}

function defectsOf(messages: readonly WireMessage[], where: string, faults: string[]): void {
  for (const message of messages) {
    for (const defect of message.defects) faults.push(`${where} is not clean: ${defect}`);
  }
}

function judgeAnswers(vector: Vector, outcome: Outcome, faults: string[]): void {
  const want = vector.expect.answers;
  const got = outcome.responses;
  if (want === "none") {
    if (got.length > 0) faults.push(`answered ${got.map((r) => r.status)}, not silently closed`);
    if (outcome.ended === "open") faults.push("neither answered nor closed");
    return;
  }
  if (want === "gone") {
    if (got.length > 1 || (got.length === 1 && got[0].status !== 400 && got[0].status !== 408)) {
      faults.push(`answered ${got.map((r) => r.status)} to a request that never came in whole`);
    }
    if (outcome.ended === "open") faults.push("neither answered nor closed");
    return;
  }
  if (want === "broken") {
    if (got.length === 0 && outcome.ended === "open") faults.push("no answer and no close");
    if (got.length > 1) faults.push(`${got.length} answers`);
    if (got.length === 1 && got[0].complete && got[0].status !== 502) {
      faults.push(`a broken answer looks complete: ${got[0].status} ${quote(got[0].body)}`);
    }
    return;
  }
  if (got.length !== want.length) {
    faults.push(
      `${got.length} answers [${got.map((r) => r.status)}], not ${want.length}; ${outcome.ended}; got ${quote(outcome.received)}`,
    );
  }
  for (let i = 0; i < Math.min(got.length, want.length); i++) {
    const one = want[i];
    const wanted: AnswerWanted =
      typeof one === "number" || Array.isArray(one) ? { status: one as number } : (one as AnswerWanted);
    judgeAnswer(wanted, got[i], `answer ${i + 1}`, faults);
  }
}

/** What is wrong, one line each; empty when the outcome is the expected one. */
export function judge(vector: Vector, outcome: Outcome): string[] {
  const faults: string[] = [];
  const expect = vector.expect;
  judgeAnswers(vector, outcome, faults);
  defectsOf(outcome.responses, "what the client got", faults);
  for (const response of outcome.responses) defectsOf(response.interim, "what the client got", faults);
  const requests = outcome.requests;
  defectsOf(requests, "what the origin got", faults);
  if (outcome.rest !== "" && expect.answers !== "broken") {
    faults.push(`client got ${quote(outcome.rest)} behind the answers`);
  }

  if (expect.client === "close" && outcome.ended === "open")
    faults.push("the client's connection stays open");
  if (expect.client === "keep" && outcome.after?.body !== "after") {
    faults.push(
      `the client's connection cannot be used again (${outcome.ended}; ${outcome.after === null ? "no answer" : outcome.after.status})`,
    );
  }

  if (expect.origin !== undefined) {
    const whole = requests.filter((request) => request.complete);
    const want = typeof expect.origin === "number" ? expect.origin : expect.origin.length;
    if (whole.length !== want) {
      faults.push(
        `${whole.length} requests reached the origin, not ${want}: ${whole.map((r) => quote(r.line)).join(" ")}`,
      );
    }
    if (typeof expect.origin !== "number") {
      for (let i = 0; i < Math.min(whole.length, want); i++) {
        judgeRequest(expect.origin[i], whole[i], `forwarded request ${i + 1}`, faults);
      }
    }
  }
  for (const bytes of expect.originLacks ?? []) {
    if (outcome.connections.some((c) => c.received.includes(bytes)))
      faults.push(`origin got ${quote(bytes)}`);
  }
  for (const bytes of expect.clientLacks ?? []) {
    if (outcome.received.includes(bytes)) faults.push(`client got ${quote(bytes)}`);
  }
  for (const bytes of expect.clientHas ?? []) {
    if (!outcome.received.includes(bytes)) faults.push(`client did not get ${quote(bytes)}`);
  }
  if (expect.tunnel !== undefined) {
    const tunnel = outcome.connections.map((c) => c.tunnel).join("");
    if (tunnel !== expect.tunnel) faults.push(`tunnel carried ${quote(tunnel)}, not ${quote(expect.tunnel)}`);
  }
  if (expect.noEarlyBytes) {
    const early = outcome.connections.map((c) => c.early).join("");
    if (early !== "") faults.push(`origin got ${quote(early)} before it answered`);
  }

  if (expect.reuse === false && outcome.reused) faults.push("the upstream connection was used again");
  if (outcome.victim?.body !== "victim" || outcome.victim.status !== 200) {
    faults.push(
      outcome.victim === null
        ? "the next request got no answer"
        : `the next request got ${outcome.victim.status} ${quote(outcome.victim.body)}`,
    );
  }
  return faults;
}

/** Wishes of efficiency, not of safety: a connection that could have been reused was not. */
export function judgeThrift(vector: Vector, outcome: Outcome): string[] {
  return vector.expect.reuse === true && !outcome.reused
    ? ["the upstream connection was not used again"]
    : [];
}
