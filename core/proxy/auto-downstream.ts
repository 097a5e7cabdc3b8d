/**
 * A connection whose client may speak HTTP/1 or HTTP/2 (`codec_type: AUTO`): it is one of HTTP/1 until its first bytes
 * say otherwise, and then makes way for one of HTTP/2.
 */
import { NoPreface, PrefaceWatch, Undecided } from "../http2/preface.ts";
import { Open } from "./connection-life.ts";
import { Http1, type Spoken, Unspoken } from "./connection-manager.ts";
import { Http1Downstream } from "./http1-downstream.ts";

export class AutoDownstream extends Http1Downstream {
  /** Null once it is known that HTTP/1 is spoken. */
  private preface: PrefaceWatch | null = new PrefaceWatch();

  override get spoken(): Spoken {
    return this.preface === null ? Http1 : Unspoken;
  }

  override onData(chunk: Uint8Array): void {
    const { preface } = this;
    if (preface === null || this.state !== Open) {
      super.onData(chunk);
      return;
    }
    const verdict = preface.feed(chunk);
    if (verdict === Undecided) this.awaitFirstBytes();
    else if (verdict === NoPreface) {
      this.preface = null;
      this.manager.protocolKnown(Http1);
      super.onData(preface.bytes);
    } else {
      this.leave();
      this.owner.speaksHttp2(this, preface.bytes);
    }
  }
}
