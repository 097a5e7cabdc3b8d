/** Two lists of lines side by side: what is in both, what is missing ("-") and what is too much ("+"). */

/** Lines of the longest common sequence begin with "  ", expected ones that are missing with "- ", others "+ ". */
export function listDiff(expected: readonly string[], actual: readonly string[]): string[] {
  const width = actual.length + 1;
  // lengths[i * width + j]: of the longest common sequence of expected[i…] and actual[j…]
  const lengths = new Array<number>((expected.length + 1) * width).fill(0);
  for (let i = expected.length - 1; i >= 0; i--) {
    for (let j = actual.length - 1; j >= 0; j--) {
      const [below, right] = [lengths[(i + 1) * width + j], lengths[i * width + j + 1]];
      const both = lengths[(i + 1) * width + j + 1] + 1;
      lengths[i * width + j] = expected[i] === actual[j] ? both : Math.max(below, right);
    }
  }
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < expected.length || j < actual.length) {
    const isSame = i < expected.length && j < actual.length && expected[i] === actual[j];
    if (isSame) {
      lines.push(`  ${expected[i++]}`);
      j++;
    } else if (
      j === actual.length ||
      (i < expected.length && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
    ) {
      lines.push(`- ${expected[i++]}`);
    } else lines.push(`+ ${actual[j++]}`);
  }
  return lines;
}
