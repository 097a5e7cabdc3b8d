/**
 * Which functions are so small that their callers pay for them. A check at the entry of each of them would be half
 * of what fuel costs, because compiled code is made of small functions.
 *
 * A function is small if it has no loop, calls nothing through a table and nothing of the host, and costs at most
 * `DEAREST_SMALL` with all that it calls. Whoever calls it by name pays that much more; whoever calls through a
 * table pays for the dearest of them.
 *
 * Laws: there is a function that pays in every circle of calls. A circle through a table has it in whoever calls
 * there; among calls by name the walk meets a function that it is still busy with, and that one is not small.
 */
import { DEAREST_SMALL, FuelPlan } from "./fuel-plan.ts";
import type { ModuleLayout } from "./module-layout.ts";

const UNSEEN = 0;
const BUSY = 1;
const DONE = 2;

/**
 * What a call of each function costs for the function itself: 0 if it pays on its own. Null if code cannot be
 * read, which the module's reader then says.
 */
export function callPrices(module: ModuleLayout): Uint32Array | null {
  const { bodies, importedFunctions, reader } = module;
  const functions = module.functions;
  const plan = new FuelPlan(module, null);
  const costs = new Uint32Array(functions);
  // Of those that may be small: their callees, one list behind the other.
  const callees: number[] = [];
  const starts = new Uint32Array(functions + 1);
  const states = new Uint8Array(functions).fill(DONE);
  for (let index = importedFunctions; index < functions; index++) {
    const body = 2 * (index - importedFunctions);
    plan.read(index, bodies[body], bodies[body + 1]);
    if (reader.fault !== "") {
      reader.fault = `function ${index}: ${reader.fault}`;
      return null;
    }
    starts[index] = callees.length;
    if (plan.isStraight && plan.cost <= DEAREST_SMALL) {
      states[index] = UNSEEN;
      costs[index] = Math.max(plan.cost, 1);
      for (const callee of plan.callees) callees.push(callee);
    }
    starts[index + 1] = callees.length;
  }
  return addCallees(costs, states, starts, callees);
}

/** Adds what small functions call to their cost, callees first; leaves 0 to those that turn out not to be small. */
function addCallees(
  costs: Uint32Array,
  states: Uint8Array,
  starts: Uint32Array,
  callees: readonly number[],
): Uint32Array {
  const next = starts.slice();
  const path: number[] = [];
  const pays = new Uint8Array(costs.length);
  for (let root = 0; root < costs.length; root++) {
    if (states[root] !== UNSEEN) continue;
    path.push(root);
    states[root] = BUSY;
    while (path.length > 0) {
      const index = path[path.length - 1];
      if (next[index] < starts[index + 1]) {
        const callee = callees[next[index]++];
        if (states[callee] === UNSEEN) {
          states[callee] = BUSY;
          path.push(callee);
        } else if (states[callee] === BUSY) {
          pays[callee] = 1;
        }
        continue;
      }
      let cost = costs[index];
      for (let i = starts[index]; i < starts[index + 1]; i++) {
        // What pays by itself has the price 0; what the walk is still busy with is going to.
        if (states[callees[i]] === DONE) cost = Math.min(cost + costs[callees[i]], DEAREST_SMALL + 1);
      }
      costs[index] = pays[index] === 1 || cost > DEAREST_SMALL ? 0 : cost;
      states[index] = DONE;
      path.pop();
    }
  }
  return costs;
}
