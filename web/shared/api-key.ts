import { useEffect, useState } from 'preact/hooks';

const storageKey = 'itera-lite.key';

let current = sessionStorage.getItem(storageKey) ?? undefined;
let isWanted = false;
let changes = 0;
const listeners = new Set<() => void>();

/** The key that requests bring; it stays in this tab until that is closed. */
export const apiKey = (): string | undefined => current;

export function setApiKey(key: string): void {
  current = key.trim() === '' ? undefined : key.trim();
  if (current === undefined) sessionStorage.removeItem(storageKey);
  else sessionStorage.setItem(storageKey, current);
  isWanted = false;
  changes++;
  for (const tell of listeners) tell();
}

/** Says that the server refused the key, or wants one. */
export function askForKey(): void {
  if (isWanted) return;
  isWanted = true;
  for (const tell of listeners) tell();
}

/** Whether a key is asked for, and a number that changes with the key, for effects that load with it. */
export function useApiKey(): { readonly isWanted: boolean; readonly changes: number } {
  const [state, setState] = useState({ isWanted, changes });
  useEffect(() => {
    const tell = (): void => setState({ isWanted, changes });
    listeners.add(tell);
    tell();
    return () => {
      listeners.delete(tell);
    };
  }, []);
  return state;
}
