/** Makes the certificates of the example, if they are missing or about to expire. */
export function makeCertificates(): Promise<void>;
