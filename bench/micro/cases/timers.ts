/** Deadlines, with as many others in the heap as a busy worker has. */
import { Timer, Timers } from "../../../core/time/timers.ts";
import type { MicroCase } from "../micro-case.ts";

/** A heap with `count` idle timeouts between one and two minutes from now. */
function busyHeap(count: number): Timers {
  const timers = new Timers();
  for (let i = 0; i < count; i++) timers.arm(new Timer(() => {}), 60_000 + ((i * 7919) % 60_000));
  return timers;
}

function rearmLater(count: number): MicroCase {
  return {
    name: `timers: push an armed deadline out, ${count} armed`,
    prepare: () => {
      const timers = busyHeap(count);
      const timer = new Timer(() => {});
      let now = 0;
      return (times) => {
        for (let i = 0; i < times; i++) {
          now += 0.01;
          timers.arm(timer, now + 50_000);
        }
        return timers.size;
      };
    },
  };
}

function armRelease(count: number): MicroCase {
  return {
    name: `timers: arm and release the earliest, ${count} armed`,
    prepare: () => {
      const timers = busyHeap(count);
      const timer = new Timer(() => {});
      return (times) => {
        for (let i = 0; i < times; i++) {
          timers.arm(timer, 1000 + (i & 1023));
          timers.release(timer);
        }
        return timers.size;
      };
    },
  };
}

function armFire(count: number): MicroCase {
  return {
    name: `timers: arm and fire, ${count} armed`,
    prepare: () => {
      const timers = busyHeap(count);
      let fired = 0;
      const timer = new Timer(() => {
        fired++;
      });
      return (times) => {
        for (let i = 0; i < times; i++) {
          timers.arm(timer, 1);
          timers.expire(1);
        }
        return fired;
      };
    },
  };
}

export const TIMERS: readonly MicroCase[] = [rearmLater(10_000), armRelease(10_000), armFire(10_000)];
