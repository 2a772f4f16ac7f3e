import { useCallback, useEffect, useState } from 'preact/hooks';
import { useApiKey } from './api-key.ts';
import { isAbort } from './http.ts';

export interface Loaded<T> {
  /** What came last; stays while it is loaded again. */
  readonly value?: T;
  readonly error?: Error;
  /** Loads again. */
  readonly reload: () => void;
}

/**
 * Loads something when it is first shown, and again with a new key.
 *
 * @param load - Stays the same function from one drawing to the next; undefined loads nothing.
 */
export function useLoaded<T>(load: ((signal: AbortSignal) => Promise<T>) | undefined): Loaded<T> {
  const { changes } = useApiKey();
  const [count, setCount] = useState(0);
  const [state, setState] = useState<{ readonly value?: T; readonly error?: Error }>({});
  // A new key and a wish to reload load again.
  useEffect(() => {
    if (!load) return undefined;
    const ended = new AbortController();
    load(ended.signal).then(
      (value) => setState({ value }),
      (error: unknown) => {
        if (!isAbort(error)) setState((before) => ({ ...before, error: error as Error }));
      },
    );
    return () => ended.abort();
  }, [load, changes, count]);
  const reload = useCallback(() => setCount((before) => before + 1), []);
  return { ...state, reload };
}
