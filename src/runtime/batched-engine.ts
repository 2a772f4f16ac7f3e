import { IteraError } from '../core/errors.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from '../models/config.ts';
import { stateShapes } from '../models/inference-graph.ts';
import type { Engine, EngineStep, ModelState } from './engine.ts';
import type { Session } from './session.ts';
import { zeroStates } from './state.ts';

/** What one run left, of B rows; immutable. */
interface BatchStates {
  readonly tensors: Readonly<Record<string, Tensor<'float32'>>>;
  readonly rows: number;
}

/** One row of it. */
class RowState {
  readonly batch: BatchStates;
  readonly row: number;
  /** Tokens read so far. */
  readonly length: number;

  constructor(batch: BatchStates, row: number, length: number) {
    this.batch = batch;
    this.row = row;
    this.length = length;
  }
}

interface Call {
  readonly tokens: readonly number[];
  readonly state: RowState;
  resolve(step: EngineStep): void;
  reject(error: unknown): void;
}

export interface BatchedEngineOptions {
  /** Calls that are run as one batch. Default 32. */
  readonly maxBatch?: number;
}

/** Tokens of a prompt that are read at once; between two parts of it, others go on. */
const prefillTokens = 256;

/**
 * An engine whose calls may overlap: those that wait when a run ends, and read one token each, are run as one batch, so that
 * many texts grow at once and any of them may join and leave between two tokens. A prompt is read in parts, in turns with
 * those batches. Rows of a batch do not see each other; rounding may differ from that of a row alone.
 *
 * @param session - Of an inference graph (see `buildInferenceGraph`); no one else may run it.
 * @remarks The states of rows that stay together are handed on without a copy. In a model with attention only rows that have
 *   read equally many tokens are run together.
 */
export function createBatchedEngine(
  session: Session,
  config: ModelConfig,
  { maxBatch = 32 }: BatchedEngineOptions = {},
): Engine {
  const { vocabSize } = config;
  const states = stateShapes(config);
  const hasAttention = config.layersBlockType.includes('attention');
  const beginning = new RowState(
    { tensors: Object.fromEntries(zeroStates(config, 1)) as BatchStates['tensors'], rows: 1 },
    0,
    0,
  );
  // Read by one run each, and free again.
  const scratch = new Map<string, Float32Array>();
  let waiting: Call[] = [];
  let running = false;
  // Calls that wait or may be made once the results of the last run are read.
  let due = 0;
  // Prompts and steps take turns, so that neither waits for all of the other.
  let promptIsNext = true;

  async function work(): Promise<void> {
    if (running) return;
    running = true;
    while (waiting.length > 0) {
      // Calls that are made in the same turn of the event loop come together. Whoever got a row's result needs several
      // steps of promises before it asks for the next; a text that grows alone waits for nobody.
      await (waiting.length < due ? nextTurn() : Promise.resolve());
      const calls = takeCalls();
      try {
        await runCalls(calls);
      } catch (error) {
        for (const call of calls) call.reject(error);
      }
      due = waiting.length + calls.length;
    }
    running = false;
  }

  function takeCalls(): readonly Call[] {
    const prompt = waiting.find(({ tokens }) => tokens.length > 1);
    const first = waiting.find(({ tokens }) => tokens.length === 1);
    const chosen = prompt && (promptIsNext || !first) ? [prompt] : stepsLike(first as Call);
    promptIsNext = chosen[0] !== prompt;
    const taken = new Set(chosen);
    waiting = waiting.filter((call) => !taken.has(call));
    return chosen;
  }

  const stepsLike = ({ state }: Call): readonly Call[] =>
    waiting
      .filter(({ tokens, state: other }) => tokens.length === 1 && (!hasAttention || other.length === state.length))
      .slice(0, maxBatch);

  async function runCalls(calls: readonly Call[]): Promise<void> {
    const [first] = calls as [Call];
    const count = Math.min(first.tokens.length, prefillTokens);
    const rows = arrangeRows(calls);
    const inputs = rows.flatMap((call) => call?.tokens.slice(0, count) ?? unusedToken);
    const seen = hasAttention ? first.state.length + count : count;
    const batch = rows.length;
    const results = await session.run({
      ...gatherStates(rows, scratch),
      input_ids: tensor('int64', [batch, count], BigInt64Array.from(inputs, BigInt)),
      attention_mask: tensor('int64', [batch, seen], new BigInt64Array(batch * seen).fill(1n)),
      num_logits_to_keep: tensor('int64', [], BigInt64Array.of(1n)),
    });
    const tensors = Object.fromEntries(
      states.map(({ past, present }) => [past, results[present] as Tensor<'float32'>]),
    );
    const after: BatchStates = { tensors, rows: batch };
    const { data } = results['logits'] as Tensor<'float32'>;
    rows.forEach((call, row) => {
      if (!call) return;
      const state = new RowState(after, row, call.state.length + count);
      const rest = call.tokens.slice(count);
      if (rest.length > 0) waiting.push({ ...call, tokens: rest, state });
      else call.resolve({ logits: data.subarray(row * vocabSize, (row + 1) * vocabSize), state });
    });
  }

  return {
    vocabSize,
    run(tokens, state) {
      return new Promise((resolve, reject) => {
        const all = checkTokens(tokens, vocabSize);
        waiting.push({ tokens: all, state: checkState(state) ?? beginning, resolve, reject });
        void work();
      });
    },
  };
}

/** The event loop's next turn; browsers have no immediates. */
const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });

/** What a row reads whose text has ended. */
const unusedToken = 0;

/**
 * The rows of a run. While most texts of a batch go on, it keeps its rows, those of ended texts unused, because copying all
 * states costs more than a few rows; else rows of one batch stand together.
 */
function arrangeRows(calls: readonly Call[]): readonly (Call | undefined)[] {
  const [first] = calls as [Call];
  const { batch } = first.state;
  const kept = new Array<Call | undefined>(batch.rows).fill(undefined);
  for (const call of calls) {
    // Two texts may go on from one state.
    if (call.state.batch !== batch || kept[call.state.row]) return groupByBatch(calls);
    kept[call.state.row] = call;
  }
  return 4 * calls.length >= 3 * batch.rows ? kept : groupByBatch(calls);
}

function groupByBatch(calls: readonly Call[]): readonly Call[] {
  const batches = [...new Set(calls.map(({ state }) => state.batch))];
  return batches.flatMap((batch) =>
    calls.filter(({ state }) => state.batch === batch).sort((a, b) => a.state.row - b.state.row),
  );
}

/**
 * The states of some rows as one batch: those of a whole batch as they are, others copied together.
 *
 * @param scratch - Memory for the copies, by name; made larger if need be.
 */
function gatherStates(rows: readonly (Call | undefined)[], scratch: Map<string, Float32Array>): BatchStates['tensors'] {
  const states = rows.flatMap((call) => call?.state ?? []);
  const { batch } = states[0] as RowState;
  const isWhole = batch.rows === rows.length;
  if (isWhole && rows.every((call, row) => !call || (call.state.batch === batch && call.state.row === row))) {
    return batch.tensors;
  }
  return Object.fromEntries(
    Object.entries(batch.tensors).map(([name, { shape }]) => {
      const [, ...rest] = shape;
      const size = rest.reduce((product, dim) => product * dim, 1);
      const needed = states.length * size;
      let memory = scratch.get(name);
      if (!memory || memory.length < needed) {
        memory = new Float32Array(needed);
        scratch.set(name, memory);
      }
      for (let at = 0; at < states.length; ) {
        const { batch: own, row } = states[at] as RowState;
        let count = 1;
        while (states[at + count]?.batch === own && states[at + count]?.row === row + count) count++;
        const from = own.tensors[name]?.data as Float32Array;
        memory.set(from.subarray(row * size, (row + count) * size), at * size);
        at += count;
      }
      return [name, tensor('float32', [states.length, ...rest], memory.subarray(0, needed))];
    }),
  );
}

function checkState(state: ModelState | undefined): RowState | undefined {
  if (state === undefined || state instanceof RowState) return state;
  throw new IteraError('INVALID_ARGUMENT', 'Expected a state that this engine returned, got something else.');
}

function checkTokens(tokens: ArrayLike<number>, vocabSize: number): readonly number[] {
  const all = Array.from(tokens);
  const wrong = all.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (all.length > 0 && wrong === undefined) return all;
  const came = wrong === undefined ? 'none' : String(wrong);
  throw new IteraError('INVALID_ARGUMENT', `Expected token ids from 0 to ${vocabSize - 1}, got ${came}.`, { wrong });
}
