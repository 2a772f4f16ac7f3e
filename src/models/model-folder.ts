import { IteraError } from '../core/errors.ts';
import { fromFloat16, largestFloat16, toFloat16 } from '../core/float16.ts';
import { type Tensor, tensor } from '../core/tensor.ts';
import type { ModelConfig } from './config.ts';
import { formatConfig, parseConfig } from './config-json.ts';
import { parameterShapes } from './parameters.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';

/** Files that a model folder must have. */
export const requiredModelFiles = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'model.safetensors',
] as const;

/** Files that are read if present; a folder made by other software has no `itera.json`. */
export const optionalModelFiles = ['generation_config.json', 'itera.json'] as const;

/** A model as a folder holds it, without the derived `onnx/`. JSON contents are as parsed; absent files undefined. */
export interface ModelContents {
  readonly config: ModelConfig;
  /** float32, exactly the names and shapes of `parameterShapes(config)`, in its order. */
  readonly weights: Map<string, Tensor<'float32'>>;
  /** How `model.safetensors` holds all of them: in half precision, or as they are in memory. */
  readonly weightsDtype: WeightsDtype;
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  /** `itera.json`: folder schema version and provenance. */
  readonly itera: unknown;
  readonly generationConfig: unknown;
}

/** Element type of the weights in a model's file. */
export type WeightsDtype = 'float32' | 'float16';

/** What `formatModelFiles` needs; without `generationConfig` one with the configuration's tokens is written. */
export interface ModelToWrite {
  readonly config: ModelConfig;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** `float16` makes a file of half the size, of weights rounded to 11 significant bits. Default: `float32`. */
  readonly weightsDtype?: WeightsDtype;
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  readonly itera: unknown;
  readonly generationConfig?: unknown;
  /** The model card, Markdown. */
  readonly readme?: string;
}

/**
 * Reads and checks a model from the bytes of its files, wherever they came from.
 *
 * @param files - By name; at least {@link requiredModelFiles}.
 * @param source - The folder or address, for messages.
 * @throws {@link IteraError} `MODEL_INVALID` if a file is missing or not JSON, `CONFIG_INVALID`, `WEIGHTS_INVALID`
 *   (also for NaN or infinite weights), `WEIGHTS_MISMATCH`, `TOKENIZER_INVALID`, `TOKENIZER_MISMATCH`.
 */
export function parseModelFiles(files: ReadonlyMap<string, Uint8Array>, source: string): ModelContents {
  const need = (name: string): Uint8Array => {
    const bytes = files.get(name);
    if (bytes === undefined) {
      throw new IteraError('MODEL_INVALID', `'${source}' lacks ${name}. Export or download the model again.`, {
        source,
        file: name,
      });
    }
    return bytes;
  };
  const optional = (name: string): unknown => {
    const value = files.has(name) ? parseJson(need(name), name, source) : undefined;
    if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return value;
    const message = `Expected ${name} in '${source}' to hold an object. Export or download the model again.`;
    throw new IteraError('MODEL_INVALID', message, { source, file: name });
  };
  const bytesOfRequired = requiredModelFiles.map(need);
  const [configJson, tokenizerJson, tokenizerConfig] = bytesOfRequired
    .slice(0, 3)
    .map((bytes, index) => parseJson(bytes, requiredModelFiles[index] ?? '', source));
  const config = parseConfig(configJson);
  checkTokenizerSize(config, tokenizerJson, source);
  return {
    config,
    ...readWeights(config, need('model.safetensors'), source),
    tokenizerJson,
    tokenizerConfig,
    itera: optional('itera.json'),
    generationConfig: optional('generation_config.json'),
  };
}

/**
 * The files of a model folder, checked as {@link parseModelFiles} checks them, `config.json` last: a folder whose
 * writing was cut short the first time is then recognised as incomplete.
 *
 * @throws {@link IteraError} as {@link parseModelFiles}; `WEIGHTS_INVALID` also for a weight that half precision cannot hold,
 *   `INVALID_ARGUMENT` for another `weightsDtype`.
 */
export function formatModelFiles(model: ModelToWrite): Map<string, Uint8Array> {
  const { config } = model;
  checkTokenizerSize(config, model.tokenizerJson);
  const weights = checkWeights(config, model.weights);
  const { weightsDtype = 'float32' } = model;
  if (weightsDtype !== 'float32' && weightsDtype !== 'float16') {
    const message = `Expected weightsDtype to be 'float32' or 'float16', got ${JSON.stringify(weightsDtype)}.`;
    throw new IteraError('INVALID_ARGUMENT', message, { weightsDtype });
  }
  const isHalf = weightsDtype === 'float16';
  const generationConfig = model.generationConfig ?? {
    _from_model_config: true,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenId,
    pad_token_id: config.padTokenId,
  };
  const encoder = new TextEncoder();
  const json = (value: unknown) => encoder.encode(`${JSON.stringify(value ?? {}, null, 2)}\n`);
  const files = new Map<string, Uint8Array>([
    // transformers refuses a file that does not name its framework.
    ['model.safetensors', encodeSafetensors(isHalf ? narrow(weights) : weights, { format: 'pt' })],
    ['tokenizer.json', json(model.tokenizerJson)],
    ['tokenizer_config.json', json(model.tokenizerConfig)],
    ['generation_config.json', json(generationConfig)],
  ]);
  if (model.itera !== undefined) {
    files.set('itera.json', json(model.itera));
  }
  if (model.readme !== undefined) {
    files.set('README.md', encoder.encode(model.readme));
  }
  files.set('config.json', json({ ...formatConfig(config), torch_dtype: isHalf ? 'float16' : 'float32' }));
  return files;
}

/** Weights from the bytes of a safetensors file; errors name where they came from, since a command may read many models. */
function readWeights(
  config: ModelConfig,
  bytes: Uint8Array,
  source: string,
): Pick<ModelContents, 'weights' | 'weightsDtype'> {
  try {
    const { tensors } = decodeSafetensors(bytes);
    const isHalf = [...tensors.values()].every(({ dtype }) => dtype === 'float16');
    const weights = checkWeights(config, new Map([...tensors].map(([name, stored]) => [name, widen(stored)])));
    return { weights, weightsDtype: isHalf ? 'float16' : 'float32' };
  } catch (cause) {
    if (!(cause instanceof IteraError)) throw cause;
    throw new IteraError(cause.code, `'${source}': ${cause.message}`, { ...cause.data, source }, { cause });
  }
}

/** A tensor of half precision in single precision, which holds all its numbers; any other as it is. */
const widen = (stored: Tensor): Tensor =>
  stored.dtype === 'float16' ? tensor('float32', stored.shape, fromFloat16(stored.data as Uint16Array)) : stored;

/**
 * Weights in half precision.
 *
 * @throws {@link IteraError} `WEIGHTS_INVALID` if one is beyond its range.
 */
function narrow(weights: ReadonlyMap<string, Tensor<'float32'>>): Map<string, Tensor> {
  const halves = new Map<string, Tensor>();
  for (const [name, { shape, data }] of weights) {
    const value = data.find((weight) => Math.abs(weight) > largestFloat16);
    if (value !== undefined) {
      throw new IteraError(
        'WEIGHTS_INVALID',
        `Weight '${name}' holds ${value}, but half precision ends at ${largestFloat16}. Store the model in float32.`,
        { name, value },
      );
    }
    halves.set(name, tensor('float16', shape, toFloat16(data)));
  }
  return halves;
}

/**
 * Checks that weights are exactly those of a configuration, and finite.
 *
 * @returns The same tensors in the order of `parameterShapes`.
 * @throws {@link IteraError} `WEIGHTS_MISMATCH` naming every missing, surplus or wrongly shaped tensor;
 *   `WEIGHTS_INVALID` if a value is NaN or infinite.
 */
export function checkWeights(
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
): Map<string, Tensor<'float32'>> {
  const shapes = parameterShapes(config);
  const missing = [...shapes.keys()].filter((name) => !weights.has(name));
  const surplus = [...weights.keys()].filter((name) => !shapes.has(name));
  const wrong: string[] = [];
  const checked = new Map<string, Tensor<'float32'>>();
  for (const [name, shape] of shapes) {
    const weight = weights.get(name);
    if (weight === undefined) {
      continue;
    }
    if (weight.dtype === 'float32' && weight.shape.join() === shape.join()) {
      checked.set(name, weight as Tensor<'float32'>);
    } else {
      wrong.push(`${name}: expected float32 [${shape.join(', ')}], got ${weight.dtype} [${weight.shape.join(', ')}]`);
    }
  }
  const faults = [listNames('missing', missing), listNames('surplus', surplus), listNames('different', wrong)];
  const message = faults.filter((fault) => fault !== '').join('; ');
  if (message !== '') {
    throw new IteraError(
      'WEIGHTS_MISMATCH',
      `The weights are not those of the configuration: ${message}. Use config.json and model.safetensors of one model.`,
      { missing, surplus, wrong },
    );
  }
  for (const [name, { data }] of checked) {
    const index = data.findIndex((value) => !Number.isFinite(value));
    if (index >= 0) {
      throw new IteraError(
        'WEIGHTS_INVALID',
        `Weight '${name}' holds ${data[index]} at element ${index}; all weights must be finite. ` +
          'The training diverged or the file is corrupted: go back to an earlier version.',
        { name, index, value: String(data[index]) },
      );
    }
  }
  return checked;
}

function listNames(label: string, names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return names.length === 0 ? '' : `${label}: ${names.slice(0, 5).join(', ')}${more}`;
}

/**
 * How many embedding rows a `tokenizer.json` needs: one more than its largest token id, and at least as many as it
 * has tokens, in the vocabulary or added.
 *
 * @throws {@link IteraError} `TOKENIZER_INVALID` if it has no vocabulary or an id is not a whole number.
 */
export function countTokens(tokenizerJson: unknown): number {
  const { model, added_tokens: added = [] } = record(tokenizerJson);
  const { vocab } = record(model);
  let size = 0;
  if (Array.isArray(vocab)) {
    size = vocab.length;
  } else if (typeof vocab === 'object' && vocab !== null) {
    const ids: unknown[] = Object.values(vocab);
    size = ids.reduce<number>((largest, id) => Math.max(largest, tokenId(id) + 1), ids.length);
  }
  if (size === 0 || !Array.isArray(added)) {
    throw new IteraError(
      'TOKENIZER_INVALID',
      'tokenizer.json: expected a vocabulary in model.vocab and a list in added_tokens. Export the tokenizer again.',
    );
  }
  return added.reduce<number>((largest, token) => Math.max(largest, tokenId(record(token)['id']) + 1), size);
}

function checkTokenizerSize(config: ModelConfig, tokenizerJson: unknown, source?: string): void {
  const tokens = countTokens(tokenizerJson);
  if (tokens !== config.vocabSize) {
    const where = source === undefined ? '' : ` in '${source}'`;
    throw new IteraError(
      'TOKENIZER_MISMATCH',
      `Expected tokenizer.json${where} to have the model's ${config.vocabSize} tokens, but it has ${tokens}. ` +
        'Use the tokenizer that the model was trained with.',
      { tokens, vocabSize: config.vocabSize, ...(source !== undefined && { source }) },
    );
  }
}

function record(
  value: unknown,
): Readonly<Record<string, unknown>> & { model?: unknown; vocab?: unknown; added_tokens?: unknown } {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function tokenId(id: unknown): number {
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) {
    throw new IteraError(
      'TOKENIZER_INVALID',
      `tokenizer.json: expected token ids to be whole numbers from 0, got ${JSON.stringify(id)}. Export it again.`,
      { id },
    );
  }
  return id;
}

function parseJson(bytes: Uint8Array, name: string, source: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new IteraError(
      'MODEL_INVALID',
      `${name} in '${source}' is not valid UTF-8 JSON. Export or download the model again.`,
      { source, file: name },
      { cause },
    );
  }
}
