/**
 * Real Envoy with one listener for each set of HTTP filters: plain text and TLS on the same port, a verified token's
 * claims by a header, and the reason of each refusal in a response header. Needs Envoy and openssl.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { address, ROUTER, type YamlMap } from "../../support/bootstrap.ts";
import { findProgram, freePorts, temporaryFolder } from "../../support/child-process.ts";
import { envoyProgram, type Rival, startEnvoy } from "../../support/rivals.ts";
import type { AuthzRequest } from "./authz-request.ts";

/** Why the lab cannot be set up here; "" if it can. */
export function whyNoLab(): string {
  if (envoyProgram() === "") return "no Envoy (ENVOY_BIN, or envoy on PATH)";
  return findProgram("openssl") === "" ? "no openssl" : "";
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Envoy's response code details, of refusals. */
  readonly details: string;
  readonly grpcStatus: string | undefined;
  /** What a dry run would have done, as access logs see it. */
  readonly shadow?: string | undefined;
}

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export class EnvoyLab {
  private readonly ports: readonly number[];
  private readonly folder: { readonly path: string; remove(): void };
  private readonly envoy: Rival;
  private readonly certificates: CertificateMaker;

  private constructor(
    ports: readonly number[],
    folder: { readonly path: string; remove(): void },
    envoy: Rival,
    certificates: CertificateMaker,
  ) {
    this.ports = ports;
    this.folder = folder;
    this.envoy = envoy;
    this.certificates = certificates;
  }

  /** One listener for each entry of `filters`, which makes its filters knowing its port. */
  static async start(filters: readonly ((port: number) => YamlMap[])[]): Promise<EnvoyLab> {
    const folder = temporaryFolder();
    const certificates = new CertificateMaker(folder.path);
    const ports = await freePorts(filters.length + 1);
    const listeners = filters.map((make, i) => listener(ports[i + 1], make(ports[i + 1]), certificates));
    const bootstrap = { admin: { address: address(ports[0]) }, static_resources: { listeners } };
    const envoy = await startEnvoy(bootstrap, ports[filters.length]);
    if (envoy === null) throw new Error("no Envoy");
    return new EnvoyLab(ports, folder, envoy, certificates);
  }

  /** Sends the request to the listener of `filters[index]`. */
  ask(index: number, request: AuthzRequest): Promise<Answer> {
    const certificate = request.peer === undefined ? undefined : this.certificates.of(request.peer);
    return send(this.ports[index + 1], request, certificate);
  }

  /** Envoy's counters whose name ends so, by name. */
  async counters(ending: string): Promise<{ [name: string]: number }> {
    const text = await (await fetch(`http://127.0.0.1:${this.ports[0]}/stats`)).text();
    const lines = text.split("\n").map((line) => line.split(": "));
    return Object.fromEntries(
      lines.filter(([name]) => name.endsWith(ending)).map(([name, value]) => [name, Number(value)]),
    );
  }

  async stop(): Promise<void> {
    await this.envoy.stop();
    this.folder.remove();
  }
}

/** Sends a request to 127.0.0.1, over TLS if there is a certificate to show. */
export function send(port: number, request: AuthzRequest, certificate?: Certificate): Promise<Answer> {
  const { method = "GET", path = "/", host = "shop", headers = [], claims } = request;
  const fields: { [name: string]: string | string[] } = { host };
  for (const [name, value] of headers) fields[name] = [...(fields[name] ?? []), value];
  if (claims !== undefined) {
    fields["x-claims"] = [
      Buffer.from(toBinary(ValueSchema, fromJson(ValueSchema, claims as never))).toString("base64"),
    ];
  }
  const options = {
    host: "127.0.0.1",
    port: port,
    method,
    path,
    headers: fields,
    agent: false as const,
  };
  return new Promise((resolve, reject) => {
    const read = (response: IncomingMessage) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString("latin1");
      });
      response.on("end", () => {
        const details = String(response.headers["x-details"] ?? "");
        const grpcStatus = response.headers["grpc-status"] as string | undefined;
        const shadow = response.headers["x-shadow"] as string | undefined;
        resolve({
          status: response.statusCode ?? 0,
          body,
          details,
          grpcStatus,
          shadow: shadow === "-" ? undefined : shadow,
        });
      });
    };
    const sent =
      certificate === undefined
        ? httpRequest(options, read)
        : httpsRequest({ ...options, ...certificate, rejectUnauthorized: false }, read);
    sent.on("error", reject);
    sent.end();
  });
}

/** Makes an authority, and certificates whose URI is an identity, with openssl, in a folder. */
export class CertificateMaker {
  private readonly folder: string;
  private readonly made = new Map<string, Certificate>();

  constructor(folder: string) {
    this.folder = folder;
    this.openssl(
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
      ],
      ...["-subj", "/CN=authority", "-keyout", this.file("ca.key"), "-out", this.file("ca.pem")],
    );
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  of(identity: string): Certificate {
    const known = this.made.get(identity);
    if (known !== undefined) return known;
    const name = `peer-${this.made.size}`;
    const usage = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"; // X.509-SVID, 4
    writeFileSync(this.file("san.cnf"), `${usage}subjectAltName=URI:${identity}\n`);
    this.openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-subj", "/O=mesh", "-keyout", this.file(`${name}.key`), "-out", this.file(`${name}.csr`)],
    );
    this.openssl(
      ...["x509", "-req", "-days", "2", "-in", this.file(`${name}.csr`), "-CA", this.file("ca.pem")],
      ...["-CAkey", this.file("ca.key"), "-CAcreateserial", "-extfile", this.file("san.cnf")],
      ...["-out", this.file(`${name}.pem`)],
    );
    const certificate = {
      key: readFileSync(this.file(`${name}.key`), "utf8"),
      cert: readFileSync(this.file(`${name}.pem`), "utf8"),
    };
    this.made.set(identity, certificate);
    return certificate;
  }

  private openssl(...args: string[]): void {
    execFileSync(findProgram("openssl"), args, { stdio: "ignore" });
  }
}

const SERVER = "spiffe://cluster.local/ns/shop/sa/server";

function listener(port: number, filters: readonly YamlMap[], certificates: CertificateMaker): YamlMap {
  const manager = { name: "envoy.filters.network.http_connection_manager", typed_config: hcm(filters) };
  return overBoth(
    { name: `l${port}`, address: address(port), filter_chains: [{ filters: [manager] }] },
    certificates,
  );
}

/** The listener, of one filter chain, for plain text and for TLS with a client certificate, if there is one. */
export function overBoth(plain: YamlMap, certificates: CertificateMaker): YamlMap {
  const { key, cert } = certificates.of(SERVER);
  const tls = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    common_tls_context: {
      tls_certificates: [{ certificate_chain: { inline_string: cert }, private_key: { inline_string: key } }],
      validation_context: { trusted_ca: { filename: certificates.file("ca.pem") } },
    },
  };
  const [chain] = plain.filter_chains as readonly YamlMap[];
  return {
    ...plain,
    listener_filters: [
      {
        name: "envoy.filters.listener.tls_inspector",
        typed_config: {
          "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
        },
      },
    ],
    filter_chains: [
      {
        ...chain,
        filter_chain_match: { transport_protocol: "tls" },
        transport_socket: { name: "envoy.transport_sockets.tls", typed_config: tls },
      },
      chain,
    ],
  };
}

function hcm(filters: readonly YamlMap[]): YamlMap {
  const passed = { status: 200, body: { inline_string: "passed" } };
  const isError = {
    status_code_filter: { comparison: { op: "GE", value: { default_value: 400, runtime_key: "x" } } },
  };
  const details = { header: { key: "x-details", value: "%RESPONSE_CODE_DETAILS%" } };
  return {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "authz",
    normalize_path: true,
    merge_slashes: false,
    local_reply_config: { mappers: [{ filter: isError, headers_to_add: [details] }] },
    http_filters: [CLAIMS_FROM_HEADER, ...filters, ROUTER],
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [{ match: { prefix: "/" }, direct_response: passed }],
          response_headers_to_add: [
            { header: { key: "x-shadow", value: "%FILTER_STATE(wasm.shadow_engine_result:PLAIN)%" } },
          ],
        },
      ],
    },
  };
}

/** What a JWT filter would have left in the metadata. */
const CLAIMS_FROM_HEADER: YamlMap = {
  name: "envoy.filters.http.header_to_metadata",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
    request_rules: [
      {
        header: "x-claims",
        on_header_present: {
          metadata_namespace: "envoy.filters.http.jwt_authn",
          key: "payload",
          type: "PROTOBUF_VALUE",
          encode: "BASE64",
        },
        remove: true,
      },
    ],
  },
};

/** A WASM filter of the module at `path`. */
export function wasmFilter(path: string, configuration: unknown): YamlMap {
  return {
    name: "envoy.filters.http.wasm",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
      config: {
        name: "authz",
        vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: path } } },
        configuration: {
          "@type": "type.googleapis.com/google.protobuf.StringValue",
          value: JSON.stringify(configuration),
        },
      },
    },
  };
}
