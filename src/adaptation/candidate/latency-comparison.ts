import { interleave } from '../../benchmark/interleave.ts';
import { createRandom } from '../../core/random.ts';
import { median, medianInterval } from '../../core/statistics.ts';
import { buildInferenceGraph } from '../../models/inference-graph.ts';
import type { ModelContents } from '../../models/model-folder.ts';
import { createTokenScorer, type TokenScorer } from '../../runtime/token-scorer.ts';
import type { Estimate } from './candidate-evidence.ts';

const [rounds, warmupRounds, repeats, tokens] = [15, 2, 5, 128];

/** More would wait for each other where others use the machine too, and time that. */
const threads = 1;

/**
 * Times a pass over 128 tokens by two models in turns.
 *
 * @returns The time of the second relative to the first: the median over rounds of the ratio of their fastest passes. Others
 *   on the machine only ever slow a pass down; the ratio of medians went beyond 5% for equal models in one of 20 cases there.
 * @throws {@link IteraError} `RUNTIME_FAILED`, `ABORTED`.
 */
export async function compareLatency(
  before: ModelContents,
  after: ModelContents,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Estimate & { readonly rounds: number }> {
  const random = createRandom(1, 22);
  const row = Uint32Array.from({ length: tokens + 1 }, () => random.integer(before.config.vocabSize));
  const scorers: TokenScorer[] = [];
  try {
    for (const { config, weights } of [before, after]) {
      scorers.push(await createTokenScorer(buildInferenceGraph(config, weights), config, { threads }));
    }
    const turns = scorers.map((scorer) => ({
      async take() {
        const samples: number[] = [];
        for (let repeat = 0; repeat < repeats; repeat++) {
          const started = performance.now();
          await scorer.score([row]);
          samples.push(performance.now() - started);
        }
        return samples;
      },
    }));
    const [old, now] = await interleave(turns, { rounds, warmupRounds, signal });
    const ratios = (now ?? []).map((samples, round) => Math.min(...samples) / Math.min(...(old?.[round] ?? [])));
    return { value: median(ratios), interval: medianInterval(ratios).interval, rounds };
  } finally {
    for (const scorer of scorers) await scorer.release();
  }
}
