import { readdir, readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { IteraError } from '../core/errors.ts';
import { type ModelProvenance, renderModelCard } from '../models/model-card.ts';
import { writeModelFolder } from '../models/model-folder-file.ts';
import { presetConfig } from '../models/presets.ts';
import { parseRecipe, type Recipe } from '../training/recipe.ts';
import { runTraining, type TrainedRun } from '../training/training-run-file.ts';
import { interruptSignal } from './interrupt.ts';
import { parseCount, parseThreads } from './options.ts';
import { checkOutputFolder } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';

interface TrainCommandOptions {
  readonly recipe: string;
  readonly out?: string;
  readonly runDir?: string;
  readonly dataDir?: string;
  readonly overwrite?: boolean;
  readonly resume?: boolean;
  readonly steps?: number;
  readonly threads: number;
  readonly json?: boolean;
}

/** `itera-lite train`: trains a model from a recipe and writes its folder. */
export function trainCommand(): Command {
  return new Command('train')
    .requiredOption('--recipe <file>', 'recipe (JSON): data mixture, tokenizer, model, optimiser, schedule, seed')
    .option('--out <dir>', 'model folder to write (default: models/<name of the recipe>)')
    .option('--overwrite', 'replace the files of a model folder that exists')
    .option('--run-dir <dir>', 'folder for the checkpoint (default: runs/<name of the recipe>)')
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--resume', 'go on from the checkpoint in the run folder')
    .option('--steps <n>', 'train this many steps instead of those of the recipe', parseCount)
    .option('--threads <n>', 'threads of the runtime', parseThreads, Math.max(1, cpus().length))
    .option('--json', 'print the provenance record as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite train --recipe recipes/itera-lite-micro.json --data-dir data --out my-model\n' +
        '  itera-lite train --recipe recipes/itera-lite-micro.json --data-dir data --out my-model --resume\n\n' +
        'Datasets of the recipe: names (itera-lite datasets download wikitext-2 tinystories fetches them), or paths of\n' +
        '.txt, .jsonl or .parquet files or of folders of such files; file.jsonl#field names the field of the texts.\n' +
        'Ctrl-C saves a checkpoint; --resume continues to the same weights as an uninterrupted run.',
    )
    .action(run);
}

async function run(options: TrainCommandOptions): Promise<void> {
  const stated = parseRecipe(await readJson(options.recipe));
  const recipe: Recipe = options.steps ? { ...stated, steps: options.steps } : stated;
  const runDir = options.runDir ?? join('runs', recipe.name);
  const outDir = options.out ?? join('models', recipe.name);
  await checkOutputFolder(outDir);
  await checkOutputFolder(runDir);
  if (!options.overwrite) await refuseUsedFolder(outDir);
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping after this step and saving; press again to quit at once');
  try {
    const trained = await runTraining(recipe, {
      runDir,
      resume: options.resume ?? false,
      threads: options.threads,
      ...(options.dataDir && { dataDir: options.dataDir }),
      signal,
      onStage: (stage) => progress.note(stage),
      onStep: ({ step, totalSteps, loss, tokensPerSecond }) =>
        progress.update({
          done: step,
          total: totalSteps,
          unit: 'step',
          detail: `loss ${loss.toFixed(4)}  ${Math.round(tokensPerSecond)} tok/s`,
        }),
      onValidation: (points) =>
        progress.note(
          `step ${points[0]?.step}: ${points.map((point) => `${point.name} ${point.bitsPerByte.toFixed(4)} bits/byte`).join(', ')}`,
        ),
    });
    progress.end();
    await trained.stepper.release();
    if (!trained.finished) {
      throw new IteraError(
        'ABORTED',
        `Stopped at step ${trained.progress.step} of ${recipe.steps}. Give the same command again with --resume to continue.`,
      );
    }
    const provenance = describe(recipe, trained, options.threads);
    const config = presetConfig(recipe.preset, countVocabulary(trained));
    await writeModelFolder(outDir, {
      config,
      weights: trained.stepper.parameters.views,
      tokenizerJson: trained.tokenizerJson,
      tokenizerConfig: trained.tokenizerConfig,
      itera: provenance,
      readme: renderModelCard(config, provenance),
    });
    progress.note(`wrote ${outDir}`);
    if (options.json) process.stdout.write(`${JSON.stringify(provenance, undefined, 2)}\n`);
  } finally {
    progress.end();
    stop();
  }
}

function countVocabulary({ stepper }: TrainedRun): number {
  return stepper.parameters.views.get('model.embed_tokens.weight')?.shape[0] ?? 0;
}

function describe(recipe: Recipe, { progress, sources }: TrainedRun, threads: number): ModelProvenance {
  return {
    schemaVersion: 1,
    name: recipe.name,
    iteraLite: packageVersion,
    recipe: withoutPaths(recipe),
    data: sources,
    training: {
      steps: progress.step,
      tokens: progress.step * recipe.batchSize * recipe.sequenceLength,
      finalLossNats: progress.losses.at(-1)?.loss ?? Number.NaN,
      threads,
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
    },
    validation: progress.validations,
    measurements: [],
  };
}

/** The recipe as it is published with the model: of the user's own files it names the file, not the folders. */
function withoutPaths(recipe: Recipe): Recipe {
  return { ...recipe, mixture: recipe.mixture.map((source) => ({ ...source, dataset: basename(source.dataset) })) };
}

/** A model that somebody has trained, or any other file, is not lost to a second run. */
async function refuseUsedFolder(dir: string): Promise<void> {
  const files = await readdir(dir).catch(() => []);
  if (files.length > 0) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected --out to name a new or empty folder, but ${dir} holds ${files.length} files. Name another, or add --overwrite.`,
      { dir },
    );
  }
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new IteraError('FILE_NOT_FOUND', `Expected a recipe at ${path}, found none to read.`, { path }, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new IteraError('CONFIG_INVALID', `Expected JSON in ${path}, got: ${String(cause)}.`, { path }, { cause });
  }
}
