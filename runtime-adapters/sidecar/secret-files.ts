/**
 * Reads secrets for `Subscriptions`, and knows which files they quote: a certificate is read anew when its own file
 * changes, not only when the document that names it does.
 */
import type { Checks } from "../../core/xds/checks.ts";
import { readInlineSecret } from "../../core/xds/discovery.ts";
import type { Subscription } from "../../core/xds/resource.ts";
import { type ResourceFile, readResourceFile } from "./config-file.ts";

type WantedSecret = Subscription & { readonly kind: "SDS" };

export class SecretFiles {
  /** What was quoted at the last reading, by document. */
  private readonly quotes = new Map<string, ReadonlySet<string>>();

  /** Reads the document that holds a secret; whoever wants several of one document reads it once. */
  read(want: WantedSecret, checks: Checks): ResourceFile<"SDS"> {
    const quoted = new Set<string>();
    const readFile = checks.readFile;
    const recording: Checks =
      readFile === undefined
        ? checks
        : {
            ...checks,
            readFile: (path) => {
              quoted.add(path);
              return readFile(path);
            },
          };
    this.quotes.set(documentOf(want), quoted);
    return want.inline === null
      ? readResourceFile("SDS", want.path, recording)
      : readInline(want, recording, quoted);
  }

  /** True if something that the secret quotes `changed`. */
  isDue(want: WantedSecret, changed: (path: string) => boolean): boolean {
    return [...(this.quotes.get(documentOf(want)) ?? [])].some(changed);
  }

  /** The files that these secrets quote; the others are forgotten. */
  paths(wants: readonly WantedSecret[]): Set<string> {
    const documents = new Set(wants.map(documentOf));
    for (const document of this.quotes.keys()) if (!documents.has(document)) this.quotes.delete(document);
    return new Set([...this.quotes.values()].flatMap((quoted) => [...quoted]));
  }
}

function documentOf({ path, name }: WantedSecret): string {
  return path === "" ? name : `file ${path}`;
}

/** Where it stands was said when the configuration was read: what matters now is which file is wrong. */
function readInline(
  { name, inline }: WantedSecret,
  checks: Checks,
  quoted: ReadonlySet<string>,
): ResourceFile<"SDS"> {
  const read = inline === null ? null : readInlineSecret(name, inline, checks);
  const faults =
    read?.faults.map(({ path, message }) => `${[...quoted].join(", ")}: ${path}: ${message}`) ?? [];
  return {
    versionInfo: "",
    resources: read === null || read.resource === null ? [] : [read.resource],
    refusals: faults.length === 0 ? [] : [{ name, faults, wants: [] }],
    unreadable: false,
    missing: false,
    faults,
  };
}
