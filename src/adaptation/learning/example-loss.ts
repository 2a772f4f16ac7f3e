import type { TokenScorer } from '../../runtime/token-scorer.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Example } from './example.ts';
import { type ExampleRow, exampleRows } from './example-rows.ts';

/** How a model takes one example. */
export interface ExampleLoss {
  /** Nats of the wanted answer, and its tokens; 0 without one. */
  readonly wantedNats: number;
  readonly wantedTokens: number;
  /** Nats of what is unwanted, and its tokens: the more, the better. */
  readonly unwantedNats: number;
  readonly unwantedTokens: number;
  /**
   * What learning makes small: nats per token of the wanted answer, plus the mean of -ln(1 - p) over the unwanted
   * tokens.
   */
  readonly loss: number;
}

/** Rows run at once. */
const batchSize = 32;

/** Scores examples; those that have no row at all give 0. */
export async function scoreExamples(
  examples: readonly Example[],
  tokenizer: Tokenizer,
  scorer: TokenScorer,
): Promise<readonly ExampleLoss[]> {
  const pending = examples.flatMap((example, index) => exampleRows(example, tokenizer).map((row) => ({ row, index })));
  // Rows of about equal length are padded least.
  pending.sort((a, b) => a.row.tokens.length - b.row.tokens.length);
  const found = examples.map(
    (): Record<'wanted' | 'unwanted', Float32Array> => ({ wanted: new Float32Array(), unwanted: new Float32Array() }),
  );
  for (let from = 0; from < pending.length; from += batchSize) {
    const batch = pending.slice(from, from + batchSize);
    const nats = await scorer.score(batch.map(({ row }) => row.tokens));
    for (const [at, { row, index }] of batch.entries()) {
      const place = found[index] as (typeof found)[number];
      place[row.wanted ? 'wanted' : 'unwanted'] = countedNats(row, nats[at] as Float32Array);
    }
  }
  return found.map(({ wanted, unwanted }) => {
    const unlikelihood = unwanted.map((nats) => -Math.log(Math.max(1 - Math.exp(-nats), 1e-6)));
    return {
      wantedNats: sum(wanted),
      wantedTokens: wanted.length,
      unwantedNats: sum(unwanted),
      unwantedTokens: unwanted.length,
      loss: sum(wanted) / Math.max(wanted.length, 1) + sum(unlikelihood) / Math.max(unwanted.length, 1),
    };
  });
}

/** Of a scorer's nats, which leave out a row's first token, those that count. */
const countedNats = ({ from, to }: ExampleRow, nats: Float32Array): Float32Array => nats.slice(from - 1, to - 1);

const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
