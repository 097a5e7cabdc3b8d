/** Judges peers in whichever runtime runs it: questions as JSON on standard input, the reasons on standard output. */
import { readFileSync } from "node:fs";
import { PeerJudge } from "../../core/tls/peer-judge.ts";
import { hostCryptography } from "../../runtime-adapters/host-cryptography.ts";
import { checkKeyPair } from "../../runtime-adapters/key-pair.ts";

interface Question {
  readonly validation: unknown;
  /** Base64. */
  readonly chain: readonly string[];
  readonly now: number;
  readonly key: string;
  readonly password: string;
}

const questions = JSON.parse(readFileSync(0, "utf8")) as readonly Question[];
const answers = questions.map(({ validation, chain, now, key, password }) => {
  const ders = chain.map((each) => new Uint8Array(Buffer.from(each, "base64")));
  const { fault, peer } = new PeerJudge(validation as never, "client", hostCryptography).judge(ders, now);
  return [fault ?? "ok", peer?.sha256 ?? "", checkKeyPair(ders[0], key, password)];
});
console.log(JSON.stringify(answers));
