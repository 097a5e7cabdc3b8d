/** From a parsed head to the bytes that go to the other side. */

import { ByLength, NoBody } from "../../../core/http/framing.ts";
import { HeadWriter, LowerCase, Persistent, PreserveCase } from "../../../core/http1/head-writer.ts";
import type { MicroCase } from "../micro-case.ts";
import { parsedRequest, parsedResponse } from "./parsed-head.ts";
import { BROWSER_REQUEST, RESPONSE, SMALL_REQUEST } from "./sample-heads.ts";

function requests(
  name: string,
  bytes: Uint8Array,
  nameCase: typeof LowerCase | typeof PreserveCase,
): MicroCase {
  return {
    name: `head serialise: ${name}`,
    prepare: () => {
      const head = parsedRequest(bytes);
      const writer = new HeadWriter();
      return (times) => {
        let written = 0;
        for (let i = 0; i < times; i++) {
          writer.request(head, NoBody, 0, "", false, false, nameCase);
          written += writer.end - writer.start;
        }
        return written;
      };
    },
  };
}

const RESPONSES: MicroCase = {
  name: "head serialise: response, 8 fields",
  prepare: () => {
    const head = parsedResponse(RESPONSE);
    const writer = new HeadWriter();
    return (times) => {
      let written = 0;
      for (let i = 0; i < times; i++) {
        writer.response(head, ByLength, 0, "", Persistent, LowerCase);
        written += writer.end - writer.start;
      }
      return written;
    };
  },
};

export const HEAD_WRITE: readonly MicroCase[] = [
  requests("small request, 1 field", SMALL_REQUEST, LowerCase),
  requests("browser request, 15 fields", BROWSER_REQUEST, LowerCase),
  requests("browser request, names' case kept", BROWSER_REQUEST, PreserveCase),
  RESPONSES,
];
