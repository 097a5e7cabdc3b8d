/**
 * What is wrong with a configuration, as data. Reading a document never throws and never stops at the first
 * mistake: it collects all of them, each with its place, so that one look at the list is enough to mend the file.
 */

/** One mistake in a configuration document. */
export interface ConfigFault {
  /** Where, in Envoy's own field names: `static_resources.listeners[0].filter_chains[0].name`; "" is the whole. */
  readonly path: string;
  /** What is wrong, as a clause without a full stop. */
  readonly message: string;
}
