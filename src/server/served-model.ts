import { throwIfAborted } from '../core/errors.ts';
import { buildInferenceGraph } from '../models/inference-graph.ts';
import { type ModelFolder, readModelFolder } from '../models/model-folder-file.ts';
import { readVariant } from '../models/variant-file.ts';
import type { VariantName } from '../models/variants.ts';
import { encodeOnnx } from '../onnx/encoding.ts';
import { createBatchedEngine } from '../runtime/batched-engine.ts';
import type { EngineStep } from '../runtime/engine.ts';
import { type GenerateOptions, type GenerationPiece, type GenerationResult, generate } from '../runtime/generation.ts';
import { createModelTokenizer } from '../runtime/model.ts';
import { logSumExp, mostLikely, type TokenLogProb } from '../runtime/sampling.ts';
import { createSession } from '../runtime/session.ts';
import { createSessionEngine } from '../runtime/session-engine.ts';
import { createSuggester, type Suggestion } from '../runtime/suggestion.ts';
import type { ProcessUsage } from './process-usage.ts';

/** How likely each token of a text is, after the end-of-text mark. */
export interface ScoredText {
  readonly ids: readonly number[];
  readonly logProbs: readonly number[];
  /** The most likely tokens at each place, if they were asked for. */
  readonly alternatives?: readonly (readonly TokenLogProb[])[];
}

export interface ScoreOptions {
  readonly alternatives?: number;
  readonly signal?: AbortSignal;
}

export interface ServedGeneration extends GenerateOptions {
  /** That a text is wanted whole: pieces after the first may come as one, with the last of them. Default false. */
  readonly whole?: boolean;
}

export interface SuggestCount {
  readonly count: number;
  readonly signal?: AbortSignal;
}

/** One variant of one version, loaded, that answers many requests at once. */
export interface ServedModel {
  generate(prompt: string, options: ServedGeneration): AsyncGenerator<GenerationPiece, GenerationResult, undefined>;
  score(text: string, options?: ScoreOptions): Promise<ScoredText>;
  suggest(prefix: string, options: SuggestCount): Promise<readonly Suggestion[]>;
  /** Whether it ended by itself, so that another must be loaded in its place. */
  hasEnded(): boolean;
  /** What its own process has used, as last heard; nothing if it runs in this one. */
  usage(): ProcessUsage;
  /** Frees it; what still goes on fails. */
  release(): Promise<void>;
}

export interface ServedModelSettings {
  readonly variant: VariantName;
  readonly threads: number;
  /** Generations that are run as one batch. */
  readonly maxBatch: number;
}

/** Loads a model folder for serving; throws as `readModelFolder`, `readVariant` and `createSession`. */
export async function loadServedModel(dir: string, settings: ServedModelSettings): Promise<ServedModel> {
  return createServedModel(await readModelFolder(dir), settings);
}

/**
 * Serves a model in this process. Generations and suggestions share one batched engine: whatever they run at the same
 * time is run together.
 */
export async function createServedModel(
  folder: ModelFolder,
  { variant, threads, maxBatch }: ServedModelSettings,
): Promise<ServedModel> {
  const { config, weights } = folder;
  const tokenizer = createModelTokenizer(folder);
  const file =
    variant === 'fp32' ? encodeOnnx(buildInferenceGraph(config, weights)) : await readVariant(folder, variant);
  const session = await createSession(file, { threads });
  const engine = createBatchedEngine(session, config, { maxBatch });
  // The first run of a session takes longer than others: here nobody waits for it.
  await engine.run([tokenizer.eosId]);
  // Runs without preallocated outputs may take turns on one session.
  const scoring = createSessionEngine(session, config);
  const suggester = createSuggester(engine, tokenizer);
  let released: Promise<void> | undefined;

  /** Token by token, in batches with whatever else goes on: the scores of all tokens are wanted at each place. */
  async function scoreWithAlternatives(ids: readonly number[], count: number, signal: AbortSignal | undefined) {
    const logProbs: number[] = [];
    const alternatives: (readonly TokenLogProb[])[] = [];
    let step: EngineStep = await engine.run([tokenizer.eosId]);
    for (const [at, id] of ids.entries()) {
      throwIfAborted(signal);
      logProbs.push((step.logits[id] as number) - logSumExp(step.logits));
      alternatives.push(mostLikely(step.logits, count));
      if (at + 1 < ids.length) step = await engine.run([id], step.state);
    }
    return { ids, logProbs, alternatives };
  }

  return {
    generate: (prompt, options) => generate(engine, tokenizer, prompt, options),
    async score(text, { alternatives = 0, signal } = {}) {
      throwIfAborted(signal);
      const ids = Array.from(tokenizer.encode(text));
      if (ids.length === 0) return { ids, logProbs: [], ...(alternatives > 0 && { alternatives: [] }) };
      if (alternatives > 0) return scoreWithAlternatives(ids, alternatives, signal);
      return { ids, logProbs: Array.from(await scoring.scoreTokens([tokenizer.eosId, ...ids], signal)) };
    },
    suggest: (prefix, options) => suggester.suggest(prefix, options),
    hasEnded: () => false,
    usage: () => ({ cpuS: 0, residentBytes: 0 }),
    release() {
      released ??= session.release();
      return released;
    },
  };
}
