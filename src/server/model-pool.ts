import type { VariantName } from '../models/variants.ts';
import type { ProcessUsage } from './process-usage.ts';
import type { ServedModel } from './served-model.ts';

/** A loaded model, for as long as a request needs it. */
export interface ModelLease {
  readonly model: ServedModel;
  /** Calling it twice does nothing. */
  release(): void;
}

/** The models that are loaded. */
export interface ModelPool {
  /** Loads a folder's variant unless it is; throws what loading throws, and the next call tries again. */
  lease(dir: string, variant: VariantName): Promise<ModelLease>;
  /** From now on only models of these folders stay loaded without a user; the others go when their last user does. */
  keepOnly(dirs: readonly string[]): void;
  list(): readonly { readonly dir: string; readonly variant: VariantName; readonly users: number }[];
  /** What the processes of all models have used: processor time also of those that are gone, memory of those that are there. */
  usage(): ProcessUsage;
  /** Frees all, whoever uses them. */
  close(): Promise<void>;
}

interface Entry {
  readonly dir: string;
  readonly variant: VariantName;
  readonly model: Promise<ServedModel>;
  loaded?: ServedModel;
  users: number;
}

/**
 * Keeps models loaded and counts who uses them, so that a version can be swapped while requests on the old one end.
 *
 * @param onFault - Hears of models that could not be freed.
 */
export function createModelPool(
  load: (dir: string, variant: VariantName) => Promise<ServedModel>,
  onFault: (error: unknown) => void,
): ModelPool {
  const entries = new Map<string, Entry>();
  const freeing = new Set<Promise<void>>();
  let kept = new Set<string>();
  let goneCpuS = 0;

  function forget(key: string): void {
    goneCpuS += entries.get(key)?.loaded?.usage().cpuS ?? 0;
    entries.delete(key);
  }

  function free(key: string, { model }: Entry): void {
    forget(key);
    const freed = model.then((loaded) => loaded.release()).catch(onFault);
    freeing.add(freed);
    void freed.finally(() => freeing.delete(freed));
  }

  const freeIfUnused = (key: string, entry: Entry): void => {
    if (entry.users === 0 && !kept.has(entry.dir) && entries.get(key) === entry) free(key, entry);
  };

  return {
    async lease(dir, variant) {
      const key = `${variant}\0${dir}`;
      const known = entries.get(key);
      const isAlive = known && !known.loaded?.hasEnded();
      if (known && !isAlive) forget(key);
      const entry: Entry = isAlive ? known : { dir, variant, model: load(dir, variant), users: 0 };
      entries.set(key, entry);
      entry.users++;
      let hasEnded = false;
      const release = (): void => {
        if (hasEnded) return;
        hasEnded = true;
        entry.users--;
        freeIfUnused(key, entry);
      };
      try {
        entry.loaded = await entry.model;
        return { model: entry.loaded, release };
      } catch (error) {
        if (entries.get(key) === entry) forget(key);
        throw error;
      }
    },
    keepOnly(dirs) {
      kept = new Set(dirs);
      for (const [key, entry] of entries) freeIfUnused(key, entry);
    },
    list: () => [...entries.values()].map(({ dir, variant, users }) => ({ dir, variant, users })),
    usage() {
      let [cpuS, residentBytes] = [goneCpuS, 0];
      for (const { loaded } of entries.values()) {
        if (!loaded) continue;
        const used = loaded.usage();
        cpuS += used.cpuS;
        if (!loaded.hasEnded()) residentBytes += used.residentBytes;
      }
      return { cpuS, residentBytes };
    },
    async close() {
      kept = new Set();
      for (const [key, entry] of entries) free(key, entry);
      await Promise.all(freeing);
    },
  };
}
