import { readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { Command } from 'commander';
import { IteraError } from '../core/errors.ts';
import { findDatasetEntry } from '../data/dataset-registry.ts';
import { type ModelProvenance, renderModelCard } from '../models/model-card.ts';
import type { WeightsDtype } from '../models/model-folder.ts';
import { writeModelFolder } from '../models/model-folder-file.ts';
import { writeCurves } from '../training/curve-file.ts';
import type { Recipe } from '../training/recipe.ts';
import { runTraining, type TrainedRun } from '../training/training-run-file.ts';
import { interruptSignal } from './interrupt.ts';
import { writeSamples } from './model-samples.ts';
import { collect, parseCount, parseFraction, parseShare, parseThreads, wholeNumber } from './options.ts';
import { checkOutputFolder, refuseWithin } from './output-folder.ts';
import { packageVersion } from './package-version.ts';
import { createProgress } from './progress.ts';
import { chooseRecipe, describeRecipe, type RecipeOptions } from './train-recipe.ts';

interface TrainCommandOptions extends RecipeOptions {
  readonly runDir?: string;
  readonly overwrite?: boolean;
  readonly resume?: boolean;
  readonly threads: number;
  readonly licence?: string;
  readonly half?: boolean;
  readonly json?: boolean;
}

/** `itera-lite train`: trains a model from a recipe, or another model further on a text, and writes its folder. */
export function trainCommand(): Command {
  return new Command('train')
    .option('--recipe <file>', 'recipe (JSON): data mixture, tokenizer, model, optimiser, schedule, seed, teacher')
    .option('--init <dir>', "start from this model: its weights, configuration and tokenizer, not the recipe's")
    .option(
      '--text <file>',
      'with --init and without a recipe: text, folder or dataset to train on; repeatable',
      collect,
    )
    .option(
      '--teacher <dir>',
      "learn from this model's predictions too; it must have the same tokenizer; repeatable: their mean",
      collect,
    )
    .option(
      '--out <dir>',
      'model folder to write (default: models/<name of the recipe>; without one, models/<first model>-tuned)',
    )
    .option('--overwrite', 'replace the files of a model folder that exists')
    .option('--run-dir <dir>', "folder for the checkpoint (default: runs/<name of the recipe's file, or of the model>)")
    .option('--data-dir <dir>', 'folder with <dataset>/<split>.txt (default: ITERA_DATA_DIR)')
    .option('--resume', 'go on from the checkpoint in the run folder')
    .option('--steps <n>', 'train this many steps instead of those of the recipe', parseCount)
    .option('--learning-rate <x>', 'highest learning rate, instead of that of the recipe', parseFraction)
    .option('--batch-size <n>', 'rows of a step, instead of those of the recipe', wholeNumber(1, 1024))
    .option('--sequence-length <n>', 'tokens of a row, instead of those of the recipe', wholeNumber(2, 8192))
    .option('--seed <n>', 'seed, instead of that of the recipe', wholeNumber(0, 2 ** 31 - 1))
    .option(
      '--init-share <x>',
      "with --init: the final weights are the mean of the first ones, with this share, and the trained ones (the recipe's, or 0)",
      parseShare,
    )
    .option('--threads <n>', 'threads of the runtime', parseThreads, Math.max(1, cpus().length))
    .option('--licence <name>', 'what the weights are published under, for the model card (SPDX, e.g. Apache-2.0)')
    .option('--half', 'store the weights in half precision: a file of half the size')
    .option('--json', 'print the provenance record as JSON on stdout')
    .addHelpText(
      'after',
      '\nExamples:\n  itera-lite train --recipe recipes/itera-lite-micro.json --data-dir data --out my-model\n' +
        '  itera-lite train --recipe recipes/itera-lite-micro.json --data-dir data --out my-model --resume\n' +
        '  itera-lite train --init itera-lite-micro --text my-text.txt --out my-model\n' +
        '  itera-lite train --recipe recipes/itera-lite-micro.json --teacher my-large-model --data-dir data\n\n' +
        'Without a recipe, the number of steps follows from the size of the texts: about three passes over them. About 2%\n' +
        'of their documents are kept for validation. docs/training.md explains recipes and learning from a teacher.\n\n' +
        'Datasets of the recipe: names (itera-lite datasets download wikitext-2 tinystories fetches them), or paths of\n' +
        '.txt, .jsonl or .parquet files or of folders of such files; file.jsonl#field names the field of the texts.\n' +
        'Ctrl-C saves a checkpoint; --resume continues to the same weights as an uninterrupted run.',
    )
    .action(run);
}

async function run(options: TrainCommandOptions): Promise<void> {
  const recipe = await chooseRecipe(options);
  // Recipes of one model's stages have one name, and each stage a checkpoint of its own.
  const runName = options.recipe === undefined ? recipe.name : basename(options.recipe, '.json');
  const runDir = options.runDir ?? join('runs', runName);
  const outDir = options.out ?? join('models', recipe.name);
  await checkOutputFolder(outDir);
  await checkOutputFolder(runDir);
  await refuseWithin({ option: '--run-dir', dir: runDir }, { option: '--out', dir: outDir });
  if (!options.overwrite) await refuseUsedFolder(outDir);
  const progress = createProgress();
  const { signal, stop } = interruptSignal('stopping after this step and saving; press again to quit at once');
  try {
    progress.note(describeRecipe(recipe, options.init));
    const trained = await runTraining(recipe, {
      runDir,
      resume: options.resume ?? false,
      threads: options.threads,
      ...(options.init !== undefined && { init: options.init }),
      ...(options.dataDir && { dataDir: options.dataDir }),
      signal,
      onStage: (stage) => progress.note(stage),
      onTeacher: ({ teacher, source, done, total }) => {
        progress.update({ done, total, unit: 'token', detail: `${teacher} reads ${source}` });
        if (done === total) progress.end();
      },
      onStep: ({ step, totalSteps, loss, divergence, tokensPerSecond }) =>
        progress.update({
          done: step,
          total: totalSteps,
          unit: 'step',
          detail: `loss ${loss.toFixed(4)}${fromTeacher(divergence)}  ${Math.round(tokensPerSecond)} tok/s`,
        }),
      onValidation: (points) =>
        progress.note(
          `step ${points[0]?.step}${points[0]?.initShare === undefined ? '' : ', the mean'}: ${points.map((point) => `${point.name} ${point.bitsPerByte.toFixed(4)} bits/byte`).join(', ')}`,
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
    if (!options.overwrite) {
      await refuseUsedFolder(outDir, 'The run has ended and is kept: --resume writes it. ');
    }
    const provenance = await writeModel(outDir, recipe, trained, options, signal);
    progress.note(`wrote ${outDir}`);
    if (options.json) process.stdout.write(`${JSON.stringify(provenance, undefined, 2)}\n`);
  } finally {
    progress.end();
    stop();
  }
}

/** Writes the model, then lets it write its samples, which its card shows. */
async function writeModel(
  outDir: string,
  recipe: Recipe,
  trained: TrainedRun,
  { threads, dataDir, licence, half }: TrainCommandOptions,
  signal: AbortSignal,
): Promise<ModelProvenance> {
  const { config, tokenizerJson, tokenizerConfig } = trained;
  const weights = trained.stepper.parameters.views;
  const weightsDtype: WeightsDtype = half ? 'float16' : 'float32';
  const write = async (itera: ModelProvenance): Promise<void> => {
    const readme = renderModelCard(config, itera);
    await writeModelFolder(outDir, { config, weights, weightsDtype, tokenizerJson, tokenizerConfig, itera, readme });
  };
  const plain = { ...describe(recipe, trained, threads), ...(licence && { licence }), ...(half && { weightsDtype }) };
  // Before anything else, so that no failure leaves a folder that is not a model.
  await write(plain).catch((error: unknown) => {
    if (!half || !(error instanceof IteraError) || error.code !== 'WEIGHTS_INVALID') throw error;
    const advice = `${error.message} Run the same command with --resume and without --half.`;
    throw new IteraError(error.code, advice, error.data, { cause: error });
  });
  const facts = { ...plain, charts: await writeCurves(outDir, trained.progress) };
  const samples = await writeSamples(outDir, recipe, { ...(dataDir && { dataDir }), signal });
  const provenance = { ...facts, samples };
  await write(provenance);
  return provenance;
}

/** How far the student is from its teacher, if it has one. */
const fromTeacher = (divergence: number | undefined): string =>
  divergence === undefined ? '' : `  from teacher ${divergence.toFixed(4)}`;

function describe(recipe: Recipe, { progress, sources, init, teachers }: TrainedRun, threads: number): ModelProvenance {
  return {
    schemaVersion: 1,
    name: recipe.name,
    iteraLite: packageVersion,
    recipe: withoutPaths(recipe),
    data: sources.map((source) => {
      const licence = findDatasetEntry(source.dataset)?.licence;
      return { ...source, ...(licence !== undefined && { licence }) };
    }),
    ...(init && { init }),
    ...(teachers && { teachers }),
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

const published = (teacher: string | readonly string[]): string | string[] =>
  typeof teacher === 'string' ? basename(resolve(teacher)) : teacher.map((one) => basename(resolve(one)));

/** The recipe as it is published with the model: of the user's own files it names the file, not the folders. */
function withoutPaths(recipe: Recipe): Recipe {
  const { mixture, distillation } = recipe;
  return {
    ...recipe,
    mixture: mixture.map((source) => ({ ...source, dataset: basename(source.dataset) })),
    ...(distillation && { distillation: { ...distillation, teacher: published(distillation.teacher) } }),
  };
}

/** A model that somebody has trained, or any other file, is not lost to a second run. */
async function refuseUsedFolder(dir: string, kept = ''): Promise<void> {
  const files = await readdir(dir).catch(() => []);
  if (files.length > 0) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected --out to name a new or empty folder, but ${dir} holds ${files.length} files. ${kept}Name another, or add ` +
        '--overwrite.',
      { dir },
    );
  }
}
