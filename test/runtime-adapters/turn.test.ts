/** Turns: what is flushed when, when the alarm is set, and what an exception costs. */
import { expect, test } from "bun:test";
import { type Dirty, type TimeSource, Turn } from "../../runtime-adapters/turn.ts";

class HandTime implements TimeSource {
  time = 100;
  readonly armed: number[] = [];
  fire: () => void = () => {};
  readonly stray: (() => void)[] = [];
  readonly polled: (() => void)[] = [];
  now() {
    return this.time;
  }
  wall() {
    return 1_000_000 + this.time;
  }
  arm(delay: number, fire: () => void) {
    this.armed.push(delay);
    this.fire = fire;
  }
  disarm() {
    this.armed.push(-1);
  }
  soon(job: () => void) {
    this.stray.push(job);
  }
  afterPoll(job: () => void) {
    this.polled.push(job);
  }
}

function setup() {
  const time = new HandTime();
  const logged: string[] = [];
  const turn = new Turn(time, {
    log: (_level, _component, message) => logged.push(message.split("\n")[0]),
    openLog: () => ({ write() {} }),
  });
  const core = { deadline: Number.POSITIVE_INFINITY, expired: 0 };
  turn.attach({ nextDeadline: () => core.deadline, expire: () => core.expired++ });
  return { time, turn, core, logged };
}

const item = (flush: () => void, abandon = () => {}): Dirty => ({ flush, abandon });

test("what became dirty is flushed when the outermost turn ends, in order, and what that makes dirty, too", () => {
  const { turn } = setup();
  const seen: string[] = [];
  const late = item(() => seen.push("late"));
  turn.run(() => {
    turn.mark(item(() => seen.push("first")));
    turn.run(() => {
      turn.mark(
        item(() => {
          seen.push("second");
          turn.run(() => turn.mark(late));
          seen.push("second done");
        }),
      );
      seen.push("inner");
    });
    seen.push("outer");
  });
  expect(seen).toEqual(["inner", "outer", "first", "second", "second done", "late"]);
});

test("a turn after a silence is flushed at once; those on its heels wait for the end of the poll", () => {
  const { turn, time } = setup();
  const seen: string[] = [];
  const enter = (name: string) => {
    turn.begin();
    turn.mark(
      item(() => {
        seen.push(name);
        time.time += 5; // a write that wakes somebody takes its time
      }),
    );
    turn.finish();
  };
  time.time += 0.1;
  enter("a");
  expect(seen).toEqual(["a"]);
  time.time += 0.001;
  enter("b");
  enter("c");
  expect(seen).toEqual(["a"]);
  time.polled.shift()?.();
  expect(seen).toEqual(["a", "b", "c"]);
  time.time += 0.002; // the next poll was at hand
  enter("d");
  expect(seen).toEqual(["a", "b", "c"]);
  time.polled.shift()?.();
  time.time += 1;
  enter("e");
  expect([seen, time.polled.length]).toEqual([["a", "b", "c", "d", "e"], 0]);
});

test("turns of one poll are flushed together when it is over, by a turn that makes its own flushes", () => {
  const { turn, time } = setup();
  const seen: string[] = [];
  const enter = (name: string) => {
    turn.begin();
    turn.mark(item(() => seen.push(name)));
    turn.finish();
  };
  enter("a");
  enter("b");
  expect([seen, time.polled.length]).toEqual([[], 1]);
  time.polled.shift()?.();
  expect(seen).toEqual(["a", "b"]);
  enter("c");
  expect(time.polled.length).toBe(1);
  turn.run(() => {}); // a turn from elsewhere does not leave anything behind
  expect(seen).toEqual(["a", "b", "c"]);
  time.polled.shift()?.();
  expect(seen.length).toBe(3);
});

test("the clock is read once for all turns of a poll, and again when much was flushed within it", () => {
  const { turn, time } = setup();
  const enter = (bytes: number) => {
    turn.begin();
    turn.mark(item(() => {}));
    turn.written += bytes;
    turn.finish();
    return turn.clock.now;
  };
  expect(enter(1)).toBe(100);
  time.time = 101;
  expect(enter(1)).toBe(100);
  time.time = 102;
  expect(enter(65_536)).toBe(102);
  enter(1);
  time.time = 103;
  time.polled.shift()?.();
  expect(turn.clock.now).toBe(103);
});

test("what waits for the end of a poll is bounded, in items and in bytes", () => {
  const { turn, time } = setup();
  let flushed = 0;
  const enter = (bytes: number) => {
    turn.begin();
    turn.mark(item(() => flushed++));
    turn.written += bytes;
    turn.finish();
  };
  for (let i = 0; i < 31; i++) enter(1);
  expect(flushed).toBe(0);
  enter(1);
  expect(flushed).toBe(32);
  enter(65_536);
  expect(flushed).toBe(33);
  enter(65_535);
  expect(flushed).toBe(33);
  expect(time.polled.length).toBe(1);
});

test("outside a turn, a mark waits for a turn of its own", () => {
  const { turn, time } = setup();
  let flushed = 0;
  turn.mark(item(() => flushed++));
  expect(flushed).toBe(0);
  for (const job of time.stray) job();
  expect(flushed).toBe(1);
});

test("the clock stands still within a turn", () => {
  const { turn, time } = setup();
  turn.run(() => {
    expect(turn.clock.now).toBe(100);
    time.time = 200;
    turn.run(() => expect(turn.clock.now).toBe(100));
  });
  turn.run(() => expect(turn.clock.now).toBe(200));
  expect(turn.clock.wall).toBe(1_000_200);
});

test("a step of the wall clock is noticed within a second", () => {
  const { turn, time } = setup();
  turn.run(() => {});
  time.wall = () => 5_000_000 + time.time;
  time.time += 1000;
  turn.run(() => {});
  expect(turn.clock.wall).toBe(5_000_000 + time.time);
});

test("the alarm is set only for an earlier deadline than the one it is set for", () => {
  const { turn, time, core } = setup();
  const ask = (deadline: number) =>
    turn.run(() => {
      core.deadline = deadline;
    });
  ask(150.2);
  ask(180);
  ask(120);
  ask(130);
  expect(time.armed).toEqual([51, 20]);
  time.time = 120;
  time.fire(); // spurious: 130 is next
  expect(core.expired).toBe(1);
  expect(time.armed).toEqual([51, 20, 10]);
});

test("a deadline in the past waits a millisecond", () => {
  const { turn, time, core } = setup();
  core.deadline = 7;
  turn.run(() => {});
  expect(time.armed).toEqual([1]);
});

test("an exception in a flush or in expire is counted, logged and paid for", () => {
  const { turn, time, core, logged } = setup();
  let abandoned = 0;
  let flushed = 0;
  turn.run(() => {
    turn.mark(
      item(
        () => {
          throw new Error("flush");
        },
        () => abandoned++,
      ),
    );
    turn.mark(item(() => flushed++));
  });
  expect([turn.faults, abandoned, flushed]).toEqual([1, 1, 1]);
  core.deadline = 101;
  turn.run(() => {});
  Object.defineProperty(core, "expired", {
    get() {
      throw new Error("expire");
    },
  });
  time.fire();
  expect(turn.faults).toBe(2);
  expect(logged).toEqual([
    "exception in the proxy core: Error: flush",
    "exception in the proxy core: Error: expire",
  ]);
});

test("after close no alarm is set", () => {
  const { turn, time, core } = setup();
  turn.close();
  core.deadline = 500;
  turn.run(() => {});
  expect(time.armed).toEqual([-1]);
});

test("one core per driver", () => {
  const { turn } = setup();
  expect(() => turn.attach({ nextDeadline: () => 0, expire() {} })).toThrow("one core");
});
