import { Option } from 'commander';
import { openStore } from '../adaptation/store/store.ts';
import type { AdaptationStore } from '../adaptation/store/store-records.ts';
import { defaultVersionsDir } from '../adaptation/version-folder.ts';

/** Where feedback and versions are kept. */
export interface StoreOptions {
  readonly store: string;
}

export interface VersionOptions extends StoreOptions {
  readonly versions?: string;
}

/** `--store`, the same for all commands. */
export const storeOption = (): Option =>
  new Option('--store <dir|url>', 'folder of an embedded store, or postgresql:// address of a server')
    .env('DATABASE_URL')
    .default('adaptation');

/** `--versions`, likewise. */
export const versionsOption = (): Option =>
  new Option(
    '--versions <dir>',
    "folder of the model versions (default: versions in an embedded store's folder, else itera-versions)",
  );

/** Does some work with a store that is open, and closes it. */
export async function withStore<T>(
  { store: location, versions }: VersionOptions,
  signal: AbortSignal | undefined,
  work: (store: AdaptationStore, versionsDir: string) => Promise<T>,
): Promise<T> {
  const store = await openStore(location, signal ? { signal } : {});
  try {
    return await work(store, versions ?? defaultVersionsDir(store));
  } finally {
    await store.close();
  }
}
