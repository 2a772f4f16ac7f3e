import { IteraError } from '../core/errors.ts';
import { createRandom, permutation, type Random, restoreRandom } from '../core/random.ts';

/** The tokens of all documents of a dataset, each document preceded by the end-of-text mark. */
export interface TokenizedDataset {
  readonly name: string;
  readonly tokens: Uint16Array | Uint32Array;
  /** Position of the mark before each document, ascending. */
  readonly documentStarts: Uint32Array;
  /** UTF-8 bytes of the original documents. */
  readonly totalBytes: number;
}

export interface BatchSource {
  readonly tokens: TokenizedDataset;
  /** Share of rows from this source, relative to the others; above 0. */
  readonly weight: number;
}

export interface BatchSamplerOptions {
  readonly sources: readonly BatchSource[];
  /** B: rows in a batch. */
  readonly batchSize: number;
  /** T: tokens in a row. */
  readonly sequenceLength: number;
  readonly seed: number;
}

/** One batch, row after row. */
export interface Batch {
  /** `int64[B, T]`. */
  readonly inputIds: BigInt64Array;
  /** The token after each input, `int64[B, T]`. */
  readonly targets: BigInt64Array;
  /** Where each row was cut out, B. */
  readonly origins: readonly RowOrigin[];
}

/** The place of a row in the sampler's data. */
export interface RowOrigin {
  /** Index of the source. */
  readonly source: number;
  /** Position of the row's first input among the source's tokens. */
  readonly start: number;
}

/** Where a sampler stands, as plain JSON. */
export interface BatchSamplerState {
  readonly version: 1;
  readonly seed: number;
  readonly sequenceLength: number;
  /** Of the generator that picks sources. */
  readonly random: readonly number[];
  readonly sources: readonly { readonly tokenCount: number; readonly epoch: number; readonly position: number }[];
}

/** An endless stream of batches that depends on nothing but its options. */
export interface BatchSampler {
  next(): Batch;
  state(): BatchSamplerState;
  /** Continues as the sampler whose state it is. Throws `CHECKPOINT_INVALID` if that one had other data or options. */
  restore(state: BatchSamplerState): void;
}

/** Purposes of random streams, so that they are unrelated. */
const pickSource = 1;
const walkSource = 2;

/**
 * Cuts tokens into training rows. Each row comes from a source drawn by weight. A source is walked epoch by epoch: its
 * tokens are cut into windows of T, shifted by a random phase so that each epoch cuts elsewhere, and all windows of the
 * epoch are visited once, in random order. Rows span documents; the mark between them is part of the row.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` on impossible options or a source of fewer than T + 1 tokens.
 * @remarks `state` and `restore` give the identical stream; the batch size may change between them.
 */
export function createBatchSampler(options: BatchSamplerOptions): BatchSampler {
  checkOptions(options);
  const { sources, batchSize, sequenceLength, seed } = options;
  const totalWeight = sources.reduce((sum, { weight }) => sum + weight, 0);
  const beginning = { epoch: 0, position: 0 };
  const beginWalk = ({ tokens }: BatchSource, index: number, place: Place = beginning) =>
    createWalk(tokens.tokens.length, sequenceLength, [seed, walkSource, index], place);
  let walks = sources.map((source, index) => beginWalk(source, index));
  let random = createRandom(seed, pickSource);

  return {
    next() {
      const inputIds = new BigInt64Array(batchSize * sequenceLength);
      const targets = new BigInt64Array(batchSize * sequenceLength);
      const origins: RowOrigin[] = [];
      for (let row = 0; row < batchSize; row++) {
        const index = drawSource(sources, totalWeight, random);
        const { tokens } = (sources[index] as BatchSource).tokens;
        const start = (walks[index] as Walk).next();
        origins.push({ source: index, start });
        for (let column = 0; column < sequenceLength; column++) {
          inputIds[row * sequenceLength + column] = BigInt(tokens[start + column] as number);
          targets[row * sequenceLength + column] = BigInt(tokens[start + column + 1] as number);
        }
      }
      return { inputIds, targets, origins };
    },
    state() {
      const positions = walks.map((walk, index) => {
        return { tokenCount: (sources[index] as BatchSource).tokens.tokens.length, ...walk.place() };
      });
      return { version: 1, seed, sequenceLength, random: [...random.state()], sources: positions };
    },
    restore(state) {
      checkState(state, options);
      // A state that turns out wrong must leave the sampler as it was.
      walks = sources.map((source, index) => beginWalk(source, index, state.sources[index]));
      random = restoreRandom(state.random);
    },
  };
}

/** How far a walk is: windows already visited in an epoch. */
interface Place {
  readonly epoch: number;
  readonly position: number;
}

/** The order in which one source's windows are visited. */
interface Walk {
  /** First token of the next window. */
  next(): number;
  place(): Place;
}

function createWalk(tokenCount: number, sequenceLength: number, seeds: readonly number[], start: Place): Walk {
  let { epoch, position } = start;
  let phase = 0;
  let order = new Uint32Array(0);

  function beginEpoch(): void {
    const random = createRandom(...seeds, epoch);
    // A window needs one token more than it is long; a short source leaves less room to shift.
    phase = random.integer(Math.min(sequenceLength, tokenCount - sequenceLength));
    order = Uint32Array.from(permutation(Math.floor((tokenCount - 1 - phase) / sequenceLength), random));
  }

  beginEpoch();
  if (position > order.length) throw invalidState(`an epoch has ${order.length} windows, not ${position}`);
  return {
    next() {
      if (position === order.length) {
        epoch++;
        position = 0;
        beginEpoch();
      }
      return phase + (order[position++] as number) * sequenceLength;
    },
    place: () => ({ epoch, position }),
  };
}

function drawSource(sources: readonly BatchSource[], totalWeight: number, random: Random): number {
  let rest = random.uniform() * totalWeight;
  for (const [index, { weight }] of sources.entries()) {
    rest -= weight;
    if (rest < 0) return index;
  }
  // Rounding can leave a sliver past the last source.
  return sources.length - 1;
}

function checkOptions({ sources, batchSize, sequenceLength, seed }: BatchSamplerOptions): void {
  const whole = { batchSize, sequenceLength };
  for (const [name, value] of Object.entries(whole)) {
    if (!Number.isInteger(value) || value < 1) {
      throw new IteraError('INVALID_ARGUMENT', `Expected ${name} to be a whole number from 1, got ${value}.`, whole);
    }
  }
  if (!Number.isInteger(seed))
    throw new IteraError('INVALID_ARGUMENT', `Expected a whole seed, got ${seed}.`, { seed });
  if (sources.length === 0)
    throw new IteraError('INVALID_ARGUMENT', 'Expected at least one source of tokens, got none.');
  for (const { tokens, weight } of sources) {
    if (!(weight > 0 && Number.isFinite(weight))) {
      throw new IteraError('INVALID_ARGUMENT', `Expected the weight of ${tokens.name} to be above 0, got ${weight}.`, {
        name: tokens.name,
        weight,
      });
    }
    if (tokens.tokens.length <= sequenceLength) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected ${tokens.name} to have more than sequenceLength (${sequenceLength}) tokens, got ` +
          `${tokens.tokens.length}. Use a longer text or shorter rows.`,
        { name: tokens.name, tokenCount: tokens.tokens.length, sequenceLength },
      );
    }
  }
}

function checkState(state: BatchSamplerState, { sources, sequenceLength, seed }: BatchSamplerOptions): void {
  if (state.version !== 1) throw invalidState(`its version is ${state.version}, not 1`);
  if (state.seed !== seed) throw invalidState(`its seed is ${state.seed}, not ${seed}`);
  if (state.sequenceLength !== sequenceLength) {
    throw invalidState(`its sequenceLength is ${state.sequenceLength}, not ${sequenceLength}`);
  }
  if (!Array.isArray(state.random) || state.random.length !== createRandom(seed).state().length) {
    throw invalidState('it lacks the state of its random generator');
  }
  if (!Array.isArray(state.sources) || state.sources.length !== sources.length) {
    throw invalidState(`it does not have ${sources.length} sources`);
  }
  for (const [index, { tokenCount, epoch, position }] of state.sources.entries()) {
    const { tokens, name } = (sources[index] as BatchSource).tokens;
    if (tokenCount !== tokens.length) throw invalidState(`${name} had ${tokenCount} tokens, now ${tokens.length}`);
    for (const value of [epoch, position]) {
      if (!Number.isInteger(value) || value < 0) throw invalidState(`its place in ${name} is ${epoch}, ${position}`);
    }
  }
}

function invalidState(problem: string): IteraError {
  return new IteraError(
    'CHECKPOINT_INVALID',
    `This state of a batch sampler belongs to another run: ${problem}. Resume with the same data and options.`,
    { problem },
  );
}
