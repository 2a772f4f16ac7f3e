import { throwIfAborted } from '../core/errors.ts';
import type { Engine, EngineStep, ModelState } from './engine.ts';

/** Runs prefixes through a model, going on from what it remembers of earlier ones. */
export interface PrefixCache {
  /** The step after the last of these tokens, of which there must be at least one. */
  runPrefix(tokens: readonly number[], signal?: AbortSignal): Promise<EngineStep>;
  /** Runs one token on from a state, remembering nothing. */
  runToken(token: number, state: ModelState, signal?: AbortSignal): Promise<EngineStep>;
  /** How many tokens the model has run through in all. */
  tokensRun(): number;
}

/**
 * Keeps the steps after the last few prefixes. A recurrent state cannot be shortened, so only a whole earlier prefix can
 * be gone on from: the longest one wins, and the least recently used one makes room.
 */
export function createPrefixCache(engine: Engine, capacity: number): PrefixCache {
  const entries: { readonly tokens: readonly number[]; readonly step: EngineStep }[] = [];
  let tokensRun = 0;
  const run = async (tokens: readonly number[], state: ModelState | undefined, signal: AbortSignal | undefined) => {
    throwIfAborted(signal);
    tokensRun += tokens.length;
    const step = await engine.run(tokens, state);
    throwIfAborted(signal);
    return step;
  };
  return {
    async runPrefix(tokens, signal) {
      const known = entries
        .filter((entry) => startsWith(tokens, entry.tokens))
        .reduce<(typeof entries)[number] | undefined>(
          (best, entry) => (entry.tokens.length > (best?.tokens.length ?? 0) ? entry : best),
          undefined,
        );
      if (known) {
        entries.splice(entries.indexOf(known), 1);
        entries.unshift(known);
        if (known.tokens.length === tokens.length) return known.step;
      }
      const step = await run(tokens.slice(known?.tokens.length ?? 0), known?.step.state, signal);
      entries.unshift({ tokens, step });
      entries.length = Math.min(entries.length, capacity);
      return step;
    },
    runToken: (token, state, signal) => run([token], state, signal),
    tokensRun: () => tokensRun,
  };
}

function startsWith(tokens: readonly number[], start: readonly number[]): boolean {
  return start.length <= tokens.length && start.every((token, index) => token === tokens[index]);
}
