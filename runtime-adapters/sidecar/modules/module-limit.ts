/** Larger WASM modules are refused, bytes: apart from who reads them, for the admin pages have it, too. */
export const MAX_MODULE_BYTES = 64 * 1024 * 1024;
