/** The syntax tree of a regular expression: what `regex-syntax` makes and everything else reads. */
import type { CharSet } from "./regex-charset.ts";

export const BEGIN_TEXT = 0;
export const END_TEXT = 1;
export const BEGIN_LINE = 2;
export const END_LINE = 3;
export const WORD_BOUNDARY = 4;
export const NOT_WORD_BOUNDARY = 5;

export type RegexNode =
  | { readonly kind: "empty" }
  | { readonly kind: "chars"; readonly set: CharSet }
  | { readonly kind: "assert"; readonly what: number }
  | { readonly kind: "concat" | "alternate"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "group"; readonly index: number; readonly child: RegexNode }
  | {
      readonly kind: "repeat";
      readonly min: number;
      /** Infinity for no upper bound. */
      readonly max: number;
      readonly greedy: boolean;
      readonly child: RegexNode;
    };

export interface RegexTree {
  readonly root: RegexNode;
  /** Capturing groups, the whole match not counted. */
  readonly groups: number;
}

/** How often the innermost thing of nested counted repetitions is copied. */
export function repeatSize(node: RegexNode): number {
  switch (node.kind) {
    case "repeat": {
      const own = node.max === Number.POSITIVE_INFINITY ? node.min : node.max;
      return Math.max(own, 1) * repeatSize(node.child);
    }
    case "group":
      return repeatSize(node.child);
    case "concat":
    case "alternate": {
      let most = 1;
      for (const part of node.parts) most = Math.max(most, repeatSize(part));
      return most;
    }
    default:
      return 1;
  }
}
