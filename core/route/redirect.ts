/** The `Location` of a redirect, as Envoy builds it from the request and the redirect action. */
import type { RedirectAction } from "../config/model.ts";
import type { ConfigFault } from "../errors.ts";
import type { RequestHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { compileRegexRewrite, PathRewrite } from "./rewrite.ts";

const FORWARDED_PROTO = known("x-forwarded-proto");

export class Redirect {
  readonly status: number;
  private readonly scheme: string;
  private readonly host: string;
  /** ":8443", or "" to keep the request's. */
  private readonly port: string;
  /** "" = keep the request's. */
  private readonly path: string;
  private readonly pathHasQuery: boolean;
  private readonly rewrite: PathRewrite | null;
  private readonly stripQuery: boolean;

  /** Use `compileRedirect`. */
  constructor(action: RedirectAction, rewrite: PathRewrite | null) {
    this.status = action.status;
    this.scheme = action.schemeRedirect !== "" ? action.schemeRedirect : action.httpsRedirect ? "https" : "";
    this.host = action.hostRedirect;
    this.port = action.portRedirect === 0 ? "" : `:${action.portRedirect}`;
    this.path = action.pathRedirect;
    this.pathHasQuery = action.pathRedirect.includes("?");
    this.rewrite = rewrite;
    this.stripQuery = action.stripQuery;
  }

  /** The absolute URI to send the client to. `matched` is how many bytes of the path the route matched. */
  location(head: RequestHead, matched: number): string {
    const scheme = this.scheme === "" ? head.scheme : this.scheme;
    const host = this.host === "" ? this.requestHost(head, scheme) : this.host;
    return `${scheme}://${host}${this.port}${this.target(head.path, matched)}`;
  }

  /** The request's host; its port goes if another one is set, or if it was the default of the scheme that changes. */
  private requestHost(head: RequestHead, scheme: string): string {
    const host = head.authority;
    const colon = host.charCodeAt(0) === 0x5b ? host.indexOf("]:") + 1 || -1 : host.lastIndexOf(":");
    if (colon < 0) return host;
    if (this.port !== "") return host.slice(0, colon);
    const was = head.fields.getId(FORWARDED_PROTO) ?? head.scheme;
    if (scheme !== was) {
      const port = host.slice(colon);
      if ((was === "https" && port === ":443") || (was === "http" && port === ":80"))
        return host.slice(0, colon);
    }
    return host;
  }

  private target(path: string, matched: number): string {
    let target = path;
    if (this.path !== "") {
      if (this.pathHasQuery) return this.path;
      const query = path.indexOf("?");
      target = query < 0 ? this.path : this.path + path.slice(query);
    } else if (this.rewrite !== null) target = this.rewrite.apply(path, matched);
    if (!this.stripQuery) return target;
    const query = target.indexOf("?");
    return query < 0 ? target : target.slice(0, query);
  }
}

/** Compiles a redirect; what is wrong goes to `faults` under `path` ("….redirect"). */
export function compileRedirect(action: RedirectAction, path: string, faults: ConfigFault[]): Redirect {
  const regex = compileRegexRewrite(action.regexRewrite, `${path}.regex_rewrite`, faults);
  const rewrite =
    action.prefixRewrite !== "" || regex !== null ? new PathRewrite(action.prefixRewrite, regex) : null;
  return new Redirect(action, rewrite);
}

/** The redirect to https that a virtual host with `require_tls` answers with. */
export const TLS_REDIRECT: Redirect = new Redirect(
  {
    kind: "redirect",
    httpsRedirect: true,
    schemeRedirect: "",
    hostRedirect: "",
    portRedirect: 0,
    pathRedirect: "",
    prefixRewrite: "",
    regexRewrite: null,
    status: 301,
    stripQuery: false,
  },
  null,
);
