/**
 * The interoperability programs of grpc-go, as they are published: a client with its test cases, and a server. They are
 * taken from the folder that TULLE_GRPC_INTEROP names, or installed with `go` into a folder that is kept between runs.
 */
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, type Program, startProgram, untilListening } from "./child-process.ts";

const VERSION = "v1.85.0";

/** Longest wait for `go install`, ms: it compiles all of gRPC. */
export const INSTALL_PATIENCE = 600_000;
/** Longest wait for one case, ms; the longest takes two seconds. */
const CASE_PATIENCE = 60_000;

/**
 * The cases that need no credentials of a cloud. `pick_first_unary` and `orca_*` are not among them: they ask for servers
 * that say who they are, and how loaded; this one does neither.
 */
export const CASES: readonly string[] = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "status_code_and_message",
  "special_status_message",
  "custom_metadata",
  "unimplemented_method",
  "unimplemented_service",
  "rpc_soak",
  "channel_soak",
];

export interface InteropPrograms {
  readonly client: string;
  readonly server: string;
}

function programsIn(folder: string): InteropPrograms | null {
  const [client, server] = ["client", "server"].map((name) => findProgram(name, "", [folder]));
  return client === "" || server === "" ? null : { client, server };
}

/** The programs, installed if need be; or why there are none. */
export function interopPrograms(): InteropPrograms | string {
  const named = process.env.TULLE_GRPC_INTEROP;
  if (named !== undefined) return programsIn(named) ?? `not in ${named}`;
  const folder = join(tmpdir(), `tulle-grpc-interop-${process.getuid?.() ?? 0}-${VERSION}`);
  const there = programsIn(folder);
  if (there !== null) return there;
  const go = findProgram("go") || findProgram("go", "", ["/usr/local/go/bin"]);
  if (go === "") return "go is not installed";
  const packages = ["client", "server"].map((name) => `google.golang.org/grpc/interop/${name}@${VERSION}`);
  const { stderr } = spawnSync(go, ["install", ...packages], {
    env: { ...process.env, GOBIN: folder },
    timeout: INSTALL_PATIENCE,
    encoding: "utf8",
  });
  return programsIn(folder) ?? `go could not install them: ${(stderr ?? "").trim().split("\n").at(-1)}`;
}

/** Starts the server. */
export async function startInteropServer({ server }: InteropPrograms, port: number): Promise<Program> {
  const program = startProgram(server, ["-port", String(port)]);
  await untilListening(program, port);
  return program;
}

/** Runs one case against a port: "" if it passes, else what the client says. */
export async function runCase({ client }: InteropPrograms, name: string, port: number): Promise<string> {
  const target = ["-server_host", "127.0.0.1", "-server_port", String(port)];
  const program = startProgram(client, [...target, "-test_case", name]);
  const timer = setTimeout(() => program.child.kill("SIGKILL"), CASE_PATIENCE);
  const code = await program.exited;
  clearTimeout(timer);
  return code === 0 ? "" : `exit code ${code}: ${program.output()}`;
}
