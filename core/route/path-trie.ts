/**
 * A radix tree over path texts. Each node holds the routes (by their place in the configuration) whose text ends
 * there, so that one walk along a request's path meets every exact, prefix and regex-with-a-prefix route that
 * can match, and none of the others: the cost depends on the path, not on the number of routes.
 *
 * With thousands of routes a walk is a chain of cache misses, so a node is one object with as few others behind
 * it as can be: the usual single route is a field, the first bytes of the children are a string.
 */

const NO_ROUTES: readonly number[] = [];

export class TrieNode {
  /** Bytes between the parent and this node; "" for the root. */
  label: string;
  /** The lowest place in this subtree: a walk that has something better need not enter. */
  lowest = Number.MAX_SAFE_INTEGER;
  /** The first route whose text ends here, -1 if there is none. */
  route = -1;
  /** The others, ascending. */
  others: readonly number[] = NO_ROUTES;
  /** First byte of each child's label, in the order of `children`. */
  private firsts = "";
  private children: TrieNode[] = [];

  constructor(label: string) {
    this.label = label;
  }

  /** The child whose label begins with `byte`, or null. */
  child(byte: number): TrieNode | null {
    const firsts = this.firsts;
    for (let i = 0; i < firsts.length; i++) if (firsts.charCodeAt(i) === byte) return this.children[i];
    return null;
  }

  /** Adds a route below this root. Places must come in ascending order. */
  insert(text: string, place: number): void {
    let node: TrieNode = this;
    let at = 0;
    for (;;) {
      if (place < node.lowest) node.lowest = place;
      if (at === text.length) {
        node.put(place);
        return;
      }
      const slot = node.firsts.indexOf(text[at]);
      if (slot < 0) {
        const leaf = new TrieNode(text.slice(at));
        leaf.lowest = place;
        leaf.route = place;
        node.adopt(leaf);
        return;
      }
      const child = node.children[slot];
      let same = 1;
      while (same < child.label.length && child.label.charCodeAt(same) === text.charCodeAt(at + same)) same++;
      if (same < child.label.length) {
        const fork = new TrieNode(child.label.slice(0, same));
        fork.lowest = child.lowest;
        child.label = child.label.slice(same);
        fork.adopt(child);
        node.children[slot] = fork;
        node = fork;
      } else node = child;
      at += same;
    }
  }

  private put(place: number): void {
    if (this.route < 0) this.route = place;
    else if (this.others === NO_ROUTES) this.others = [place];
    else (this.others as number[]).push(place);
  }

  private adopt(child: TrieNode): void {
    this.firsts += child.label[0];
    this.children.push(child);
  }
}
