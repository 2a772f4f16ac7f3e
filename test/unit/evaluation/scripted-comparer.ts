import type { LogitComparer, RowComparison } from '../../../src/runtime/logit-comparer.ts';

/** What a candidate says of a token, by a rule instead of a model. */
export interface ScriptedCandidate {
  readonly name: string;
  readonly nats: (token: number) => number;
  readonly divergence?: (token: number) => number;
  readonly agrees?: (token: number) => boolean;
}

export interface ScriptedComparer extends LogitComparer {
  /** Every batch that was compared: how many tokens of each row were scored. */
  readonly batches: number[][];
}

/** A comparer without models. */
export function scriptedComparer(
  baselineNats: (token: number) => number,
  candidates: readonly ScriptedCandidate[],
): ScriptedComparer {
  const batches: number[][] = [];
  return {
    names: ['fp32', ...candidates.map(({ name }) => name)],
    batches,
    async compare(rows) {
      batches.push(rows.map(({ tokens, scoreFrom = 1 }) => tokens.length - scoreFrom));
      return rows.map(({ tokens, scoreFrom = 1 }): RowComparison => {
        const scored = tokens.subarray(scoreFrom);
        return {
          nats: [baselineNats, ...candidates.map(({ nats }) => nats)].map((rule) => Float32Array.from(scored, rule)),
          divergences: candidates.map(({ divergence = () => 0 }) => Float32Array.from(scored, divergence)),
          agreements: candidates.map(({ agrees = () => true }) =>
            Uint8Array.from(scored, (token) => (agrees(token) ? 1 : 0)),
          ),
        };
      });
    },
    release: async () => undefined,
  };
}
