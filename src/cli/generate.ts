import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { IteraError } from '../core/errors.ts';
import { compressedVariants, type VariantName } from '../models/variants.ts';
import type { GenerationPiece, GenerationResult } from '../runtime/generation.ts';
import { defaultModel, loadModel } from '../runtime/load-model-file.ts';
import { decodeUtf8 } from '../text/utf8.ts';
import { interruptSignal } from './interrupt.ts';
import { collect, parseCount, parseNumber, parseSeed, parseThreads } from './options.ts';

interface GenerateCommandOptions {
  readonly promptFile?: string;
  readonly model: string;
  readonly variant: VariantName;
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly threads: number;
  readonly json?: boolean;
}

/** `itera-lite generate`: continues a text. */
export function generateCommand(): Command {
  return new Command('generate')
    .argument('[prompt]', 'text to continue', '')
    .option('--prompt-file <file>', 'read the text to continue from a file (UTF-8), or from standard input if `-`')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .addOption(
      new Option('--variant <name>', 'compressed form, made by itera-lite compress')
        .choices(['fp32', ...compressedVariants])
        .default('fp32'),
    )
    .option('--max-new-tokens <n>', 'tokens to generate at most', parseCount, 128)
    .option('--temperature <x>', '0 takes the most likely token every time', parseNumber, 0.7)
    .option('--top-k <n>', 'draw from the n most likely tokens only', parseCount)
    .option('--top-p <x>', 'draw from the most likely tokens that together reach this probability', parseNumber)
    .option('--min-p <x>', 'draw from tokens at least this share as likely as the most likely one', parseNumber)
    .option('--repetition-penalty <x>', 'above 1 makes tokens that occurred less likely', parseNumber)
    .option('--stop <text>', 'end before this text, repeatable', collect)
    .option('--seed <n>', 'repeat the same text; drawn at random when absent', parseSeed)
    .option('--threads <n>', 'threads of the runtime', parseThreads, 1)
    .option('--json', 'print one JSON object with text, tokens and finish reason')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite generate "Once upon a time" --seed 1\n  itera-lite generate "The dog" --temperature 0 --json\n  itera-lite generate "The cat" --variant int4',
    )
    .action(generate);
}

async function generate(argument: string, options: GenerateCommandOptions): Promise<void> {
  const { promptFile, model: name, variant, threads, json, ...sampling } = options;
  const prompt = promptFile === undefined ? argument : await readPrompt(promptFile, argument);
  const { signal, stop } = interruptSignal('stopping');
  try {
    const model = await loadModel(name, { variant, threads, signal });
    try {
      const pieces = model.generate(prompt, { ...sampling, signal });
      await (json ? writeJson(prompt, pieces) : writeText(prompt, pieces));
    } finally {
      await model.release();
    }
  } finally {
    stop();
  }
}

async function readPrompt(path: string, argument: string): Promise<string> {
  if (argument !== '') throw new IteraError('INVALID_ARGUMENT', 'Expected a prompt or --prompt-file, got both.');
  const bytes = await readFile(path === '-' ? '/dev/stdin' : path).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new IteraError(
      'FILE_UNREADABLE',
      `Expected a prompt in ${path}, could not read it: ${reason}.`,
      { path },
      { cause },
    );
  });
  return decodeUtf8(bytes);
}

type Pieces = AsyncIterable<GenerationPiece>;

async function writeText(prompt: string, pieces: Pieces): Promise<void> {
  let isBegun = false;
  try {
    for await (const { text } of pieces) {
      // Not before the first piece, which is where options are refused.
      process.stdout.write(isBegun ? text : prompt + text);
      isBegun = true;
    }
  } finally {
    // What was written stays, Ctrl-C or not, but the terminal's next line is its own.
    if (isBegun) process.stdout.write('\n');
  }
}

async function writeJson(prompt: string, pieces: Pieces): Promise<void> {
  const tokens: { id: number; logProb: number }[] = [];
  let text = '';
  let finish: GenerationResult | undefined;
  for await (const piece of pieces) {
    text += piece.text;
    tokens.push({ id: piece.tokenId, logProb: piece.logProb });
    finish = piece.finish;
  }
  process.stdout.write(`${JSON.stringify({ prompt, text, tokens, finish })}\n`);
}
