/**
 * A radix tree over path texts. Each node holds the routes (by their place in the configuration) whose text ends
 * there, so that one walk along a request's path meets every exact, prefix and regex-with-a-prefix route that
 * can match, and none of the others: the cost depends on the path, not on the number of routes.
 */

export class TrieNode {
  /** Bytes between the parent and this node; "" for the root. */
  label: string;
  /** Places of the routes whose text ends here, ascending. */
  readonly routes: number[] = [];
  /** The lowest place in this subtree: a walk that has something better need not enter. */
  lowest = Number.POSITIVE_INFINITY;
  /** First byte of each child's label, beside the child. */
  readonly firsts: number[] = [];
  readonly children: TrieNode[] = [];

  constructor(label: string) {
    this.label = label;
  }

  /** The child whose label begins with `byte`, or null. */
  child(byte: number): TrieNode | null {
    const firsts = this.firsts;
    for (let i = 0; i < firsts.length; i++) if (firsts[i] === byte) return this.children[i];
    return null;
  }

  /** Adds a route below this root. Places must come in ascending order. */
  insert(text: string, place: number): void {
    let node: TrieNode = this;
    let at = 0;
    for (;;) {
      if (place < node.lowest) node.lowest = place;
      if (at === text.length) {
        node.routes.push(place);
        return;
      }
      const slot = node.firsts.indexOf(text.charCodeAt(at));
      if (slot < 0) {
        const leaf = new TrieNode(text.slice(at));
        leaf.lowest = place;
        leaf.routes.push(place);
        node.firsts.push(text.charCodeAt(at));
        node.children.push(leaf);
        return;
      }
      const child = node.children[slot];
      let same = 1;
      while (same < child.label.length && child.label.charCodeAt(same) === text.charCodeAt(at + same)) same++;
      if (same < child.label.length) {
        const fork = new TrieNode(child.label.slice(0, same));
        fork.lowest = child.lowest;
        child.label = child.label.slice(same);
        fork.firsts.push(child.label.charCodeAt(0));
        fork.children.push(child);
        node.children[slot] = fork;
        node = fork;
      } else node = child;
      at += same;
    }
  }
}
