import { throwIfAborted } from '../core/errors.ts';

/** Something that is timed in turns with others. */
export interface Turn {
  /** Milliseconds of each repeat in one turn, the ones that warm up left out. */
  take(): Promise<readonly number[]>;
}

export interface InterleaveOptions {
  /** Rounds that count; every round gives each its turn. */
  readonly rounds: number;
  /** Rounds before those. */
  readonly warmupRounds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRound?: ((done: number, total: number) => void) | undefined;
}

/**
 * Times several things in turns, round by round, so that what disturbs the machine meets all alike. Who begins moves on by
 * one from round to round.
 *
 * @returns For each thing the samples of each round.
 * @throws {@link IteraError} `ABORTED`, and what a turn throws.
 */
export async function interleave(
  turns: readonly Turn[],
  { rounds, warmupRounds, signal, onRound }: InterleaveOptions,
): Promise<readonly (readonly (readonly number[])[])[]> {
  const samples: (readonly number[])[][] = turns.map(() => []);
  const total = rounds + warmupRounds;
  for (let round = 0; round < total; round++) {
    for (let place = 0; place < turns.length; place++) {
      throwIfAborted(signal);
      const index = (place + round) % turns.length;
      const taken = await (turns[index] as Turn).take();
      if (round >= warmupRounds) samples[index]?.push(taken);
    }
    onRound?.(round + 1, total);
  }
  return samples;
}
