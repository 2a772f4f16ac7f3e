import { requiredModelFiles } from '../../src/models/model-folder.ts';
import { type VariantName, variantFiles } from '../../src/models/variants.ts';
import type { ModelSource } from './messages.ts';

export interface FetchedFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** As the server names it. */
  readonly version?: string;
}

/** The files that a variant needs: a compressed one brings its own weights. */
const filesFor = (variant: VariantName): readonly string[] =>
  variant === 'fp32'
    ? requiredModelFiles
    : [...requiredModelFiles.filter((name) => name !== 'model.safetensors'), variantFiles[variant]];

/**
 * Fetches or reads the files of a variant.
 *
 * @param onProgress - Hears of bytes as they come, and of how many are known to be needed.
 * @throws Error that says which file is missing.
 */
export async function readSource(
  source: ModelSource,
  variant: VariantName,
  onProgress: (loadedBytes: number, totalBytes: number) => void,
): Promise<FetchedFiles> {
  const names = filesFor(variant);
  return source.kind === 'folder' ? readFolder(source.files, names, onProgress) : fetchAll(source, names, onProgress);
}

async function readFolder(
  folder: ReadonlyMap<string, File>,
  names: readonly string[],
  onProgress: (loadedBytes: number, totalBytes: number) => void,
): Promise<FetchedFiles> {
  const missing = names.filter((name) => !folder.has(name));
  if (missing.length > 0) throw new Error(`The folder lacks ${missing.join(', ')}. Choose a model's folder.`);
  const total = names.reduce((sum, name) => sum + (folder.get(name)?.size ?? 0), 0);
  const files = new Map<string, Uint8Array>();
  let loaded = 0;
  for (const name of names) {
    const bytes = new Uint8Array((await folder.get(name)?.arrayBuffer()) ?? new ArrayBuffer(0));
    files.set(name, bytes);
    loaded += bytes.length;
    onProgress(loaded, total);
  }
  return { files };
}

async function fetchAll(
  { root, key }: Extract<ModelSource, { kind: 'server' }>,
  names: readonly string[],
  onProgress: (loadedBytes: number, totalBytes: number) => void,
): Promise<FetchedFiles> {
  const headers: HeadersInit = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const answers = await Promise.all(
    names.map(async (name) => {
      const answer = await fetch(new URL(`v1/model-files/${name}`, root), { headers });
      if (answer.ok) return { name, answer };
      const what = answer.status === 404 ? 'is not there' : `was refused (${answer.status})`;
      throw new Error(`The file ${name} of the served model ${what}.`);
    }),
  );
  // A version that is promoted between two requests would give files of two models.
  const versions = new Set(answers.map(({ answer }) => answer.headers.get('x-itera-version') ?? ''));
  if (versions.size > 1) throw new Error('The server changed its version meanwhile. Load the model again.');
  const total = answers.reduce((sum, { answer }) => sum + Number(answer.headers.get('content-length') ?? 0), 0);
  let loaded = 0;
  const files = new Map<string, Uint8Array>();
  for (const { name, answer } of answers) {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const reader = answer.body?.getReader();
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      parts.push(next.value);
      loaded += next.value.length;
      onProgress(loaded, Math.max(total, loaded));
    }
    files.set(name, new Uint8Array(await new Blob(parts).arrayBuffer()));
  }
  const [version = ''] = versions;
  return { files, ...(version !== '' && { version }) };
}
