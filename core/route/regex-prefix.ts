/** What a pattern says about the beginning of a text without being run: for the route index and for early ends. */
import { utf8ByteString } from "../bytes/ascii.ts";
import { BEGIN_TEXT, type RegexNode } from "./regex-node.ts";

/** The bytes that every text that matches as a whole begins with; "" if nothing is certain. */
export function literalPrefix(node: RegexNode): string {
  return prefixOf(node).text;
}

/** `whole`: the node matches `text` and nothing else. */
interface Prefix {
  readonly text: string;
  readonly whole: boolean;
}

const NOTHING: Prefix = { text: "", whole: false };

function prefixOf(node: RegexNode): Prefix {
  switch (node.kind) {
    case "empty":
      return { text: "", whole: true };
    case "assert":
      // At the very beginning "^" says nothing new; anywhere else, what follows it stays required.
      return { text: "", whole: true };
    case "chars": {
      const { set } = node;
      if (set.length !== 2 || set[0] !== set[1]) return NOTHING;
      return { text: utf8ByteString(String.fromCodePoint(set[0])), whole: true };
    }
    case "group":
      return prefixOf(node.child);
    case "concat": {
      let text = "";
      for (const part of node.parts) {
        const prefix = prefixOf(part);
        text += prefix.text;
        if (!prefix.whole) return { text, whole: false };
      }
      return { text, whole: true };
    }
    case "alternate": {
      let text = prefixOf(node.parts[0]).text;
      for (const part of node.parts) text = common(text, prefixOf(part).text);
      return { text, whole: false };
    }
    case "repeat":
      if (node.min === 0) return NOTHING;
      return {
        text: prefixOf(node.child).text,
        whole: node.min === 1 && node.max === 1 && prefixOf(node.child).whole,
      };
  }
}

function common(a: string, b: string): string {
  let i = 0;
  while (i < a.length && i < b.length && a[i] === b[i]) i++;
  return a.slice(0, i);
}

/** True if the pattern can match only at the beginning of a text. */
export function startsAtBegin(node: RegexNode): boolean {
  switch (node.kind) {
    case "assert":
      return node.what === BEGIN_TEXT;
    case "group":
      return startsAtBegin(node.child);
    case "concat":
      return startsAtBegin(node.parts[0]);
    case "alternate":
      return node.parts.every(startsAtBegin);
    default:
      return false;
  }
}
