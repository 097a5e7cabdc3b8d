/**
 * Carries out an exchange on a `Stage`: plays the client's steps, then the follow-up on the same connection, then
 * the victim on a fresh one. The stage is TCP or the memory runtime; nothing here knows which.
 */
import { AFTER, cut, type Exchange, type Outcome, VICTIM } from "./exchange.ts";
import { OriginPlay } from "./scripted-origin.ts";
import { readResponse, readResponses, valuesOf, type WireResponse } from "./wire-reader.ts";

/** One client connection. */
export interface ClientWire {
  readonly received: string;
  readonly ended: "open" | "fin" | "reset";
  /** Sends one piece and gives it a chance to travel alone. */
  write(piece: string): Promise<void>;
  end(): void;
  reset(): void;
}

export interface Stage {
  /** Everything that connects to the origin from now on plays this. */
  play(play: OriginPlay): void;
  connect(profile: string): Promise<ClientWire>;
  /** Until `condition` holds, at most `ms`. */
  until(condition: () => boolean, ms: number): Promise<void>;
  elapse(ms: number): Promise<void>;
  /** Ends all connections of the exchange and waits until the proxy knows. */
  clear(): Promise<void>;
}

/** How long an answer or a close may take, ms. Only failing exchanges ever wait so long. */
const PATIENCE = 1500;
/** How long a connection may stay open that said it would close, ms. */
const ANNOUNCED_CLOSE = 500;
/** How long stray bytes or a close get to show up, ms. */
const SETTLE = 15;

async function send(wire: ClientWire, text: string, exchange: Exchange): Promise<void> {
  for (const piece of cut(text, exchange.chunking)) {
    if (wire.ended !== "open") return;
    await wire.write(piece);
  }
}

async function ask(stage: Stage, wire: ClientWire, target: string): Promise<WireResponse | null> {
  const from = wire.received.length;
  await wire.write(`GET ${target} HTTP/1.1\r\nHost: tulle.test\r\n\r\n`);
  const answer = () => readResponse(wire.received, from, "GET", wire.ended === "fin");
  await stage.until(() => wire.ended !== "open" || answer()?.complete === true, PATIENCE);
  return answer();
}

export async function runExchange(stage: Stage, exchange: Exchange): Promise<Outcome> {
  const play = new OriginPlay(exchange.origin, exchange.chunking, exchange.greeting);
  stage.play(play);
  const wire = await stage.connect(exchange.profile);
  const read = () => readResponses(wire.received, exchange.methods, wire.ended === "fin");
  for (const step of exchange.client) {
    if (typeof step === "string") await send(wire, step, exchange);
    else if ("answers" in step) {
      await stage.until(
        () =>
          wire.ended !== "open" ||
          read().responses.filter((r) => r.complete || r.framing === "tunnel").length >= step.answers,
        PATIENCE,
      );
    } else if ("interim" in step) {
      await stage.until(
        () => wire.ended !== "open" || wire.received.includes(`HTTP/1.1 ${step.interim} `),
        PATIENCE,
      );
    } else if ("bytes" in step) {
      await stage.until(() => wire.ended !== "open" || wire.received.includes(step.bytes), PATIENCE);
    } else if ("reached" in step) {
      await stage.until(() => wire.ended !== "open" || play.inOrder().length >= step.reached, PATIENCE);
    } else if ("elapse" in step) await stage.elapse(step.elapse);
    else if ("fin" in step) wire.end();
    else if ("reset" in step) wire.reset();
    else await stage.until(() => wire.ended !== "open", PATIENCE);
  }
  const last = read().responses.at(-1);
  if (last !== undefined && valuesOf(last, "connection").some((value) => /close/i.test(value))) {
    await stage.until(() => wire.ended !== "open", ANNOUNCED_CLOSE);
  }
  await stage.elapse(SETTLE);
  const received = wire.received;
  const ended = wire.ended;
  const { responses, rest } = read();
  const before = play.records.length;
  const after = exchange.followUp && wire.ended === "open" ? await ask(stage, wire, AFTER) : null;
  let victim: WireResponse | null = null;
  if (exchange.victim) {
    const other = await stage.connect(exchange.profile);
    victim = await ask(stage, other, VICTIM);
  }
  const reused = play.records.slice(0, before).some((record) => record.later);
  await stage.clear();
  return {
    responses,
    rest,
    received,
    ended,
    connections: play.records,
    requests: play.inOrder(),
    after,
    victim,
    reused,
  };
}
