import { useEffect, useState } from 'preact/hooks';
import { api } from '../shared/api.ts';
import { ApiError, isAbort } from '../shared/http.ts';

export interface ShownSuggestion {
  readonly text: string;
  readonly probability: number;
}

/** Long enough that a fast typist asks once a word, not once a letter. */
const waitMs = 250;

/**
 * Suggestions for a text that is being typed; a request that the next letter overtakes is cancelled.
 *
 * @param text - Undefined asks for nothing.
 */
export function useSuggestions(text: string | undefined, variant: string | undefined) {
  const [found, setFound] = useState<{ readonly for?: string; readonly list: readonly ShownSuggestion[] }>({
    list: [],
  });
  const [fault, setFault] = useState<string>();
  useEffect(() => {
    if (text === undefined || text === '') return undefined;
    const own = new AbortController();
    const timer = setTimeout(() => {
      api.suggest(text, variant, own.signal).then(
        ({ suggestions }) => {
          setFound({ for: text, list: suggestions });
          setFault(undefined);
        },
        (error: unknown) => {
          if (isAbort(error)) return;
          const isRate = error instanceof ApiError && error.status === 429;
          setFault(isRate ? 'Suggestions pause: too many requests a minute.' : 'No suggestions at the moment.');
        },
      );
    }, waitMs);
    return () => {
      clearTimeout(timer);
      own.abort();
    };
  }, [text, variant]);
  // Those of another text would be inserted in the wrong place.
  return { suggestions: found.for === text ? found.list : [], fault };
}
