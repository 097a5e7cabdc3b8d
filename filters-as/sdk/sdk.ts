/** Everything that a filter uses: `import { … } from "../sdk/sdk"`. What is not used costs nothing. */
export * from "./abi";
export { allocate, beginCallback } from "./arena";
export * from "./buffer";
export * from "./clock";
export * from "./context";
export * from "./foreign";
export {
  GrpcCallHandler,
  GrpcStatus,
  GrpcStreamHandler,
  grpcCall,
  grpcStatusMessage,
  grpcStream,
} from "./grpc-call";
export * from "./header-map";
export * from "./http-call";
export * from "./json-document";
export * from "./json-node";
export * from "./log";
export * from "./metric";
export * from "./pairs";
export * from "./property";
export { currentContext, endCallback, liveContexts, register } from "./registry";
export * from "./shared-data";
export * from "./slice";
export * from "./stream";
export { Writer } from "./writer";
