/**
 * The one function of WASI that is used here: the ABI itself has nothing random. AssemblyScript takes a file's name
 * for the name of the imported module.
 */
export declare function random_get(into: usize, length: u32): i32;
