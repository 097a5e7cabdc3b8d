/** One direction through a row of stations: what each is shown, what goes on when, and what never does. */
import { describe, expect, test } from "bun:test";
import type { Body } from "../../../core/filter/body.ts";
import { Leg } from "../../../core/filter/leg.ts";
import {
  Consume,
  Continue,
  Pause,
  PauseAndPress,
  PauseHeaders,
  Respond,
  type Verdict,
} from "../../../core/filter/verdict.ts";
import { Fields } from "../../../core/http/fields.ts";
import { Random } from "../../../runtime-adapters/memory/random.ts";
import { bytesOf, textOf } from "../../support/scripted-filter.ts";

/** What a station does when it is shown something: "head", "abc", "abc end", "trailers". */
type Station = (what: string, body: Body | null) => Verdict;

class TestLeg extends Leg {
  readonly log: string[] = [];
  readonly out: string[] = [];
  refuses = 0;
  private readonly plans: readonly (Station | null)[];

  constructor(plans: readonly (Station | null)[], limit = 1000) {
    super();
    this.plans = plans;
    this.begin(plans.length, limit);
  }

  private show(at: number, what: string, body: Body | null): Verdict {
    this.log.push(`${at}: ${what}`);
    return this.plans[at]?.(what, body) ?? Continue;
  }

  protected showHead(at: number, ends: boolean): Verdict {
    return this.show(at, ends ? "head end" : "head", null);
  }
  /** A station that is null has no hook for bodies. */
  protected wantsBody(at: number): boolean {
    return this.plans[at] !== null;
  }
  protected showBody(at: number, body: Body, ends: boolean): Verdict {
    return this.show(at, `${textOf(body)}${ends ? " end" : ""}`, body);
  }
  protected showTrailers(at: number, trailers: Fields): Verdict {
    return this.show(at, `trailers ${trailers.count}`, null);
  }
  protected passedHead(ends: boolean): void {
    this.out.push(ends ? "head end" : "head");
  }
  protected passedBody(body: Body): void {
    this.out.push(textOf(body));
  }
  protected passedEnd(trailers: Fields | null): void {
    this.out.push(trailers === null ? "end" : `trailers ${trailers.count}`);
  }
  protected press(on: boolean): void {
    this.out.push(on ? "press" : "release");
  }
  protected tooLarge(): void {
    this.refuses++;
  }

  say(text: string): this {
    const bytes = bytesOf(text);
    this.data(bytes, 0, bytes.length);
    return this;
  }
}

/** Lets everything go on. */
const open: Station = () => Continue;
/** Answers `verdict` to what begins with `what`. */
const on =
  (what: string, verdict: Verdict): Station =>
  (shown) =>
    shown.startsWith(what) ? verdict : Continue;

function trailersOf(name: string): Fields {
  const trailers = new Fields();
  trailers.add(name, "1");
  return trailers;
}

describe("verdicts", () => {
  test("Continue: each piece as it comes, and an end of its own", () => {
    const leg = new TestLeg([open, null, open]);
    leg.head(false);
    leg.say("ab").say("cd").end(null);
    expect(leg.out).toEqual(["head", "ab", "cd", "end"]);
    expect(leg.log).toEqual([
      "0: head",
      "1: head",
      "2: head",
      "0: ab",
      "2: ab",
      "0: cd",
      "2: cd",
      "0:  end",
      "2:  end",
    ]);
  });

  test("Pause after the head: the rest waits unseen, and comes in one", () => {
    const leg = new TestLeg([on("head", Pause), open]);
    leg.head(false);
    leg.say("ab").say("cd").end(null);
    expect(leg.out).toEqual([]);
    expect(leg.log).toEqual(["0: head"]);
    leg.resume(0);
    expect(leg.log.slice(1)).toEqual(["1: head", "0: abcd end", "1: abcd end"]);
    expect(leg.out).toEqual(["head", "abcd", "end"]);
  });

  test("PauseHeaders: the body is shown with what waits, and Continue lets head and body go", () => {
    const leg = new TestLeg([
      (what) => (what === "head" ? PauseHeaders : what.length < 4 ? Pause : Continue),
      open,
    ]);
    leg.head(false);
    leg.say("ab");
    expect(leg.out).toEqual([]);
    leg.say("cd").end(null);
    expect(leg.out).toEqual(["head", "abcd", "end"]);
    expect(leg.log).toEqual(["0: head", "0: ab", "0: abcd", "1: head", "1: abcd", "0:  end", "1:  end"]);
  });

  test("Consume: the bytes are gone, and the head is known to be wrong about them", () => {
    const leg = new TestLeg([
      (what) => (what === "head" ? PauseHeaders : what === "ab" ? Consume : Continue),
    ]);
    leg.head(false);
    leg.say("ab").end(null);
    expect(leg.out).toEqual(["head", "end"]);
    expect(leg.changedBody).toBe(true);
  });

  test("Consume takes what came alone, and leaves what was held", () => {
    const does: { readonly [what: string]: Verdict } = { ab: PauseAndPress, cd: Consume, ef: Pause };
    const leg = new TestLeg([(what) => does[what] ?? Continue]);
    leg.head(false);
    leg.say("ab").say("cd").say("ef");
    expect(textOf(leg.heldAt(0) as Body)).toBe("abef");
    expect(leg.changedBody).toBe(false); // its head had gone on
    leg.end(null);
    expect(leg.log).toEqual(["0: head", "0: ab", "0: cd", "0: ef", "0: abef end"]);
    expect(leg.out).toEqual(["head", "abef", "end"]);
  });

  test("Consume after trailers takes nothing", () => {
    const leg = new TestLeg([
      (what) => (what === "ab" ? Pause : what.startsWith("trailers") ? Consume : Continue),
    ]);
    leg.head(false);
    leg.say("ab").end(trailersOf("x"));
    leg.resume(0);
    expect(leg.out).toEqual(["head", "ab", "trailers 1"]);
  });

  test("Pause after trailers holds the end alone", () => {
    const leg = new TestLeg([on("trailers", Pause)]);
    leg.head(false);
    leg.say("ab").end(trailersOf("x"));
    expect(leg.out).toEqual(["head", "ab"]);
    leg.resume(0);
    expect(leg.out).toEqual(["head", "ab", "trailers 1"]);
  });

  test("Respond, and a leg that is stopped, let nothing go any more", () => {
    const leg: TestLeg = new TestLeg([
      (what) => {
        if (what !== "ab") return Continue;
        leg.stop();
        return Respond;
      },
    ]);
    leg.head(false);
    leg.say("ab").say("cd").end(null);
    leg.resume(0);
    expect(leg.out).toEqual(["head"]);
    expect(leg.log).toEqual(["0: head", "0: ab"]);
  });
});

describe("going on", () => {
  test("said inside of the hook that holds counts; said when nothing is held does nothing", () => {
    const leg: TestLeg = new TestLeg([
      () => {
        leg.resume(0);
        return Pause;
      },
    ]);
    leg.resume(0);
    leg.head(false);
    leg.say("ab").end(null);
    leg.resume(0);
    expect(leg.out).toEqual(["head", "ab", "end"]);
  });

  test("said for another station waits for the hook under way", () => {
    const leg: TestLeg = new TestLeg([
      (what) => {
        if (what === "cd") leg.resume(1);
        return Continue;
      },
      on("ab", Pause),
      open,
    ]);
    leg.head(false);
    leg.say("ab");
    expect(leg.out).toEqual(["head"]);
    leg.say("cd").end(null);
    expect(leg.out).toEqual(["head", "abcd", "end"]);
  });

  test("said too early for another station does not let go what it holds later", () => {
    const leg: TestLeg = new TestLeg([
      (what) => {
        if (what === "head") leg.resume(1);
        return Continue;
      },
      on("head", Pause),
    ]);
    leg.head(false);
    leg.say("ab").end(null);
    expect(leg.out).toEqual([]);
    leg.resume(1);
    expect(leg.out).toEqual(["head", "ab", "end"]);
  });

  test("trailers that are added at the end reach the stations behind, after the rest of the body", () => {
    const leg: TestLeg = new TestLeg([
      on("head", Pause),
      (what) => {
        if (what.endsWith(" end")) leg.addTrailers().set("x", "1");
        return Continue;
      },
      open,
    ]);
    leg.addTrailers().set("x-early", "1");
    leg.head(false);
    leg.say("ab").end(null);
    leg.resume(0);
    expect(leg.log.slice(1)).toEqual([
      "1: head",
      "2: head",
      "0: ab end",
      "1: ab end",
      "2: ab",
      "2: trailers 1",
    ]);
    expect(leg.out).toEqual(["head", "ab", "trailers 1"]);
  });
});

describe("what waits is bounded", () => {
  test("Pause: more than may wait is refused, and nothing is kept", () => {
    const leg = new TestLeg([on("head", Pause)], 4);
    leg.head(false);
    leg.say("abcd");
    expect(leg.refuses).toBe(0);
    leg.say("e").say("fghij");
    expect(leg.refuses).toBe(1);
    leg.resume(0);
    expect(leg.out).toEqual([]);
  });

  test("PauseAndPress: the sender is stopped once, and let go once by the last station", () => {
    const leg = new TestLeg([on("a", PauseAndPress), open, on("head", PauseAndPress)], 2);
    leg.head(false);
    leg.say("abc");
    expect(leg.out).toEqual(["press"]);
    leg.resume(0);
    // What the first one let go is too much for the last one.
    expect(leg.out).toEqual(["press", "release", "press"]);
    leg.resume(2);
    expect(leg.out).toEqual(["press", "release", "press", "release", "head", "abc"]);
    expect(leg.pressed).toBe(false);
  });

  test("a leg that is stopped lets the sender go", () => {
    const leg = new TestLeg([on("head", PauseAndPress)], 2);
    leg.head(false);
    leg.say("abc");
    leg.stop();
    leg.stop();
    expect(leg.out).toEqual(["press", "release"]);
  });
});

/** Random verdicts, pieces, and moments of going on: order and bytes hold. */
test.each(Array.from({ length: 300 }, (_, seed) => seed))("the laws, seed %i", (seed) => {
  const random = new Random(seed + 11);
  const chance = (percent: number) => random.between(1, 100) <= percent;
  const count = random.between(1, 4);
  const seen = Array.from({ length: count }, () => ({ head: false, end: false, blind: false, bytes: "" }));
  let inside = 0;
  const leg: TestLeg = new TestLeg(
    seen.map((mine, at) => (what: string, body: Body | null): Verdict => {
      expect(inside++).toBe(0);
      expect(mine.end).toBe(false);
      expect(mine.blind).toBe(false);
      expect(mine.head).toBe(!what.startsWith("head"));
      mine.head = true;
      mine.end = what.endsWith("end") || what.startsWith("trailers");
      if (body !== null) mine.bytes = textOf(body);
      const to = chance(10) ? random.between(0, count - 1) : -1;
      if (to >= 0) leg.resume(to);
      if (to >= 0 && to !== at) seen[to].blind = false;
      inside--;
      if (chance(60)) return Continue;
      const verdict = [Pause, PauseAndPress, PauseHeaders][random.between(0, 2)] as Verdict;
      mine.blind = what.startsWith("head") && verdict !== PauseHeaders && to !== at;
      return verdict;
    }),
    1_000_000,
  );
  // A station that was told to go on may be shown things again.
  const resume = (at: number) => {
    seen[at].blind = false;
    leg.resume(at);
  };
  let sent = "";
  const trailers = chance(30) ? trailersOf("x") : null;
  leg.head(false);
  for (let step = 0; step < 30; step++) {
    if (chance(50)) {
      const text = String.fromCharCode(97 + (step % 26)).repeat(random.between(1, 5));
      sent += text;
      leg.say(text);
    } else resume(random.between(0, count - 1));
  }
  leg.end(trailers);
  for (let i = 0; i < 200 && !leg.ended; i++) resume(random.between(0, count - 1));
  const body = leg.out.slice(1, -1).join("");
  expect(leg.out[0]).toBe("head");
  expect(leg.out.at(-1)).toBe(trailers === null ? "end" : "trailers 1");
  expect(body).toBe(sent);
  for (const mine of seen) expect([mine.head, mine.end]).toEqual([true, true]);
});
