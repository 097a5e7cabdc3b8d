/** x */
export async function benchFilter(..._a: unknown[]): Promise<string> {
  return "";
}
