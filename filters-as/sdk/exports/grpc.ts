/** Callbacks of gRPC calls, for filters that use `grpcCall` and `grpcStream`: `export * from "…/sdk/exports/grpc"`. */
import { beginCallback } from "../arena";
import { GrpcStatus, tellClose, tellInitialMetadata, tellMessage, tellTrailingMetadata } from "../grpc-call";
import { endCallback, enter } from "../registry";

export function proxy_on_grpc_receive_initial_metadata(root: u32, token: u32, count: u32): void {
  beginCallback();
  enter(root);
  tellInitialMetadata(token, count);
  endCallback();
}

export function proxy_on_grpc_receive(root: u32, token: u32, size: u32): void {
  beginCallback();
  enter(root);
  tellMessage(token, size);
  endCallback();
}

export function proxy_on_grpc_receive_trailing_metadata(root: u32, token: u32, count: u32): void {
  beginCallback();
  enter(root);
  tellTrailingMetadata(token, count);
  endCallback();
}

export function proxy_on_grpc_close(root: u32, token: u32, status: GrpcStatus): void {
  beginCallback();
  enter(root);
  tellClose(token, status);
  endCallback();
}
