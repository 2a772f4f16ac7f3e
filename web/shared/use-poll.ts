import { useEffect, useRef } from 'preact/hooks';
import { useApiKey } from './api-key.ts';

/**
 * Calls a function now and again `intervalMs` after it has ended, while the page is visible and no key is asked for.
 */
export function usePoll(poll: (signal: AbortSignal) => Promise<void>, intervalMs: number): void {
  const { isWanted, changes } = useApiKey();
  const latest = useRef(poll);
  latest.current = poll;
  // A new key begins anew.
  useEffect(() => {
    if (isWanted) return undefined;
    const ended = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isRunning = false;
    const turn = async (): Promise<void> => {
      if (isRunning || document.hidden || ended.signal.aborted) return;
      isRunning = true;
      await latest.current(ended.signal);
      isRunning = false;
      clearTimeout(timer);
      timer = setTimeout(() => void turn(), intervalMs);
    };
    const onVisible = (): void => void turn();
    document.addEventListener('visibilitychange', onVisible);
    void turn();
    return () => {
      ended.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [isWanted, changes, intervalMs]);
}
