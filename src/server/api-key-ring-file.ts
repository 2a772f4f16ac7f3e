import { type ApiKey, readApiKeys } from './api-keys-file.ts';

export interface ApiKeyRingOptions {
  /** Milliseconds between looks at the file, at least. Default 2,000. */
  readonly lookEveryMs?: number;
  /** The file has other keys now. */
  readonly onChange: (message: string) => void;
  /** The file cannot be used; the keys before remain. Said once for each fault. */
  readonly onFault: (error: Error) => void;
}

/**
 * Keys that follow their file, so that one can be added or taken away while the server runs.
 *
 * @returns Reads the keys that hold now. Nothing happens while nobody asks.
 * @throws {@link IteraError} what {@link readApiKeys} throws, for the first look only.
 * @remarks The file is read, which for its size costs no more than to ask for its time, and misses no change.
 */
export async function openApiKeyRing(
  path: string,
  { lookEveryMs = 2000, onChange, onFault }: ApiKeyRingOptions,
): Promise<() => Promise<readonly ApiKey[]>> {
  let keys = await readApiKeys(path);
  let lookedAt = performance.now();
  let looking: Promise<void> | undefined;
  let fault: string | undefined;

  async function look(): Promise<void> {
    try {
      const found = await readApiKeys(path);
      if (JSON.stringify(found) !== JSON.stringify(keys))
        onChange(`the file of keys was changed: ${found.length} keys`);
      keys = found;
      fault = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== fault) onFault(error as Error);
      fault = message;
    }
    lookedAt = performance.now();
    looking = undefined;
  }

  return async () => {
    if (performance.now() - lookedAt >= lookEveryMs) looking ??= look();
    await looking;
    return keys;
  };
}
