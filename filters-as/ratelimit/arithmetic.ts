/** What of the filter is arithmetic, as a module of its own: tests call it directly. No part of the filter. */
import "../sdk/compiler-hooks";

export * from "../sdk/ip-address";
export * from "./address";
export * from "./bucket-group";
export * from "./keyed-hash";
export * from "./token-bucket";
