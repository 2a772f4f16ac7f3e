import { IteraError } from '../core/errors.ts';
import { elementCount, tensor } from '../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import type { ModelConfig } from '../models/config.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { buildDivergenceGraph } from './divergence-graph.ts';
import { padRows } from './padded-rows.ts';
import { createSession, type Session, type SessionOptions } from './session.ts';

/** A variant of a model: the inputs and outputs of `buildInferenceGraph`, with weights and arithmetic of its own. */
export interface ComparedVariant {
  /** For instance `fp32`, `int4`. */
  readonly name: string;
  /** A graph, or an encoded ONNX model. */
  readonly model: Graph | Uint8Array;
}

/** A text, and which of its tokens are compared. */
export interface ComparedRow {
  readonly tokens: Uint32Array;
  /** Tokens from here on are scored, at least 1; those before are context. Default 1. */
  readonly scoreFrom?: number;
}

/** What the models say of the scored tokens of a row, `n` of them. */
export interface RowComparison {
  /** Negative log-probabilities in nats, `float32[n]` for each model, the baseline first. */
  readonly nats: readonly Float32Array[];
  /** KL(baseline || candidate) in nats, `float32[n]` for each candidate; at least 0, or NaN for logits that are none. */
  readonly divergences: readonly Float32Array[];
  /** 1 where candidate and baseline find the same token most likely, else 0; `uint8[n]` for each candidate. */
  readonly agreements: readonly Uint8Array[];
}

/** Scores texts by a model and by variants of it, on the same tokens in one go. Calls may not overlap. */
export interface LogitComparer {
  /** Names of the variants, the baseline first. */
  readonly names: readonly string[];
  /**
   * @throws {@link IteraError} `INVALID_ARGUMENT` if no row has 2 tokens; `RUNTIME_FAILED`.
   */
  compare(rows: readonly ComparedRow[]): Promise<readonly RowComparison[]>;
  release(): Promise<void>;
}

/** Numbers that a comparison works on at once, such that its steps stay within a processor's cache. */
const logitsAtOnce = 2 ** 19;

/**
 * Holds a session for the baseline and one for each candidate. Every session writes its logits into memory that the
 * comparison, itself a graph, reads in place: two batches of logits are held, whatever the number of candidates, and
 * overwritten by the next batch.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` without candidates or with a name twice; `MODEL_INVALID` if a variant does
 *   not run or does not fit the configuration: all are tried with one token before anything is measured.
 */
export async function createLogitComparer(
  config: ModelConfig,
  baseline: ComparedVariant,
  candidates: readonly ComparedVariant[],
  options: SessionOptions = {},
): Promise<LogitComparer> {
  const { vocabSize } = config;
  const variants = [baseline, ...candidates];
  const names = variants.map(({ name }) => name);
  if (candidates.length === 0 || new Set(names).size < names.length) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected a baseline and candidates of different names, got ${names.join(', ')}.`,
      { names },
    );
  }
  const sessions: Session[] = [];
  const release = async (): Promise<void> => {
    for (const session of sessions.splice(0)) await session.release();
  };
  try {
    for (const variant of variants) sessions.push(await openVariant(variant, config, options));
    sessions.push(await createSession(encodeOnnx(buildDivergenceGraph(vocabSize)), options));
  } catch (error) {
    await release();
    throw error;
  }
  const comparison = sessions.at(-1) as Session;
  const memory: [Float32Array, Float32Array] = [new Float32Array(0), new Float32Array(0)];

  return {
    names,
    async compare(rows) {
      const { batch, length, feeds, targets } = padRows(
        rows.map(({ tokens }) => tokens),
        config,
      );
      const shape = [batch, length, vocabSize];
      const runModel = async (model: number, slot: 0 | 1): Promise<Float32Array> => {
        const size = elementCount(shape);
        if (memory[slot].length < size) memory[slot] = new Float32Array(size);
        const logits = memory[slot].subarray(0, size);
        await (sessions[model] as Session).run(feeds, { logits: tensor('float32', shape, logits) });
        return logits;
      };
      const results = rows.map((row) => emptyComparison(row, names.length));
      const baselineLogits = await runModel(0, 0);
      for (let model = 1; model < names.length; model++) {
        const logits = { baseline: baselineLogits, candidate: await runModel(model, 1) };
        for (const [index, { scoreFrom = 1 }] of rows.entries()) {
          // Positions of a row lie side by side; the one before a token predicts it.
          const first = index * length + scoreFrom - 1;
          await compareRow(comparison, { logits, targets, first, vocabSize }, results[index] as RowComparison, model);
        }
      }
      return results;
    },
    release,
  };
}

/** Where a row's scored positions begin in a batch of logits and targets. */
interface RowPlace {
  readonly logits: { readonly baseline: Float32Array; readonly candidate: Float32Array };
  readonly targets: BigInt64Array;
  readonly first: number;
  readonly vocabSize: number;
}

/** Compares one model with the baseline on a row, part by part, and writes into `result`. */
async function compareRow(
  session: Session,
  { logits, targets, first, vocabSize }: RowPlace,
  { nats, divergences, agreements }: RowComparison,
  model: number,
): Promise<void> {
  const [baselineNats, candidateNats] = [nats[0], nats[model]] as [Float32Array, Float32Array];
  const divergence = divergences[model - 1] as Float32Array;
  const agreement = agreements[model - 1] as Uint8Array;
  const atOnce = Math.max(1, Math.floor(logitsAtOnce / vocabSize));
  for (let at = 0; at < divergence.length; at += atOnce) {
    const until = Math.min(at + atOnce, divergence.length);
    const n = until - at;
    const rows = (all: Float32Array) =>
      tensor('float32', [n, vocabSize], all.subarray((first + at) * vocabSize, (first + until) * vocabSize));
    const floats = (all: Float32Array) => tensor('float32', [n], all.subarray(at, until));
    await session.run(
      {
        baseline: rows(logits.baseline),
        candidate: rows(logits.candidate),
        targets: tensor('int64', [n], targets.subarray(first + at, first + until)),
      },
      {
        // The baseline's own scores are the same beside every candidate.
        ...(model === 1 && { baseline_nats: floats(baselineNats) }),
        candidate_nats: floats(candidateNats),
        divergence: floats(divergence),
        agreement: tensor('bool', [n], agreement.subarray(at, until)),
      },
    );
  }
  // A divergence is at least 0; what lies below is rounding in its sum, of about 1e-7. NaN stays.
  for (let at = 0; at < divergence.length; at++) if ((divergence[at] as number) < 0) divergence[at] = 0;
}

/** Loads a variant and runs one token through it. */
async function openVariant(
  { name, model }: ComparedVariant,
  config: ModelConfig,
  options: SessionOptions,
): Promise<Session> {
  let session: Session | undefined;
  try {
    session = await createSession(model instanceof Uint8Array ? model : encodeOnnx(model), options);
    const { logits } = await session.run(padRows([Uint32Array.of(0, 0)], config).feeds);
    if (logits?.dtype !== 'float32' || logits.shape.join() !== `1,1,${config.vocabSize}`) {
      const got = logits ? `${logits.dtype}[${logits.shape.join(', ')}]` : 'none';
      throw new Error(`for one token it should give logits float32[1, 1, ${config.vocabSize}], but gives ${got}`);
    }
    return session;
  } catch (cause) {
    await session?.release();
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\.\s*$/, '');
    throw new IteraError(
      'MODEL_INVALID',
      `Variant ${name} does not run as a variant of this model: ${reason}. Make it anew from the model.`,
      { variant: name },
      { cause },
    );
  }
}

function emptyComparison({ tokens, scoreFrom = 1 }: ComparedRow, models: number): RowComparison {
  const count = Math.max(0, tokens.length - scoreFrom);
  const floats = (length: number) => Array.from({ length }, () => new Float32Array(count));
  return {
    nats: floats(models),
    divergences: floats(models - 1),
    agreements: Array.from({ length: models - 1 }, () => new Uint8Array(count)),
  };
}
