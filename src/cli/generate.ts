import { Command } from 'commander';
import { IteraError } from '../core/errors.ts';
import { defaultModel, loadModel } from '../runtime/load-model-file.ts';
import { collect, parseCount, parseNumber, parseSeed } from './options.ts';

interface GenerateCommandOptions {
  readonly model: string;
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
    .description('continue a text')
    .argument('[prompt]', 'text to continue', '')
    .option('--model <dir>', 'model folder, or name of a bundled model', defaultModel)
    .option('--max-new-tokens <n>', 'tokens to generate at most', parseCount, 128)
    .option('--temperature <x>', '0 takes the most likely token every time', parseNumber, 0.7)
    .option('--top-k <n>', 'draw from the n most likely tokens only', parseCount)
    .option('--top-p <x>', 'draw from the most likely tokens that together reach this probability', parseNumber)
    .option('--min-p <x>', 'draw from tokens at least this share as likely as the most likely one', parseNumber)
    .option('--repetition-penalty <x>', 'above 1 makes tokens that occurred less likely', parseNumber)
    .option('--stop <text>', 'end before this text, repeatable', collect)
    .option('--seed <n>', 'repeat the same text; drawn at random when absent', parseSeed)
    .option('--threads <n>', 'threads of the runtime', parseCount, 1)
    .option('--json', 'print one JSON object with text, tokens and finish reason')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite generate "Once upon a time" --seed 1\n  itera-lite generate "The dog" --temperature 0 --json',
    )
    .action(generate);
}

async function generate(prompt: string, options: GenerateCommandOptions): Promise<void> {
  const { model: name, threads, json, ...sampling } = options;
  const controller = new AbortController();
  const interrupt = (): void => controller.abort();
  process.once('SIGINT', interrupt);
  const model = await loadModel(name, { threads });
  const tokens: { id: number; logProb: number }[] = [];
  let text = '';
  let finish: unknown;
  try {
    if (!json) process.stdout.write(prompt);
    for await (const piece of model.generate(prompt, { ...sampling, signal: controller.signal })) {
      if (!json) process.stdout.write(piece.text);
      text += piece.text;
      tokens.push({ id: piece.tokenId, logProb: piece.logProb });
      finish = piece.finish;
    }
    process.stdout.write(json ? `${JSON.stringify({ prompt, text, tokens, finish })}\n` : '\n');
  } catch (error) {
    // What was written stays; Ctrl-C is how a user says "enough".
    if (!(error instanceof IteraError && error.code === 'ABORTED')) throw error;
    process.stdout.write('\n');
    process.exitCode = 130;
  } finally {
    process.off('SIGINT', interrupt);
    await model.release();
  }
}
