import { Command, CommanderError } from 'commander';
import { IteraError } from '../core/errors.ts';
import { packageVersion } from './package-version.ts';

/** Exit codes, as documented in the README. */
const exitCodes = { done: 0, failed: 1, usage: 2, refused: 3, interrupted: 130 } as const;

interface Verb {
  readonly summary: string;
  /** Loads the command; only the one that is asked for, because some need large libraries. */
  readonly load: () => Promise<Command>;
}

const verbs: Readonly<Record<string, Verb>> = {
  run: {
    summary: "validate a model on real text and write one report (the package's main job)",
    load: async () => (await import('./run.ts')).runCommand(),
  },
  train: {
    summary: 'train a model from a recipe and write its folder',
    load: async () => (await import('./train.ts')).trainCommand(),
  },
  compress: {
    summary: 'make smaller forms of a model, compare them with it and judge them',
    load: async () => (await import('./compress.ts')).compressCommand(),
  },
  export: {
    summary: 'write a model for other runtimes and prove it equal',
    load: async () => (await import('./export.ts')).exportCommand(),
  },
  bench: {
    summary: 'time a model in several runtimes side by side',
    load: async () => (await import('./bench.ts')).benchCommand(),
  },
  energy: {
    summary: 'measure what energy a model draws, or bound it where there is no meter',
    load: async () => (await import('./energy.ts')).energyCommand(),
  },
  report: {
    summary: "write a report's pages anew, or tell what changed between two and whether it is significant",
    load: async () => (await import('./report.ts')).reportCommand(),
  },
  evaluate: {
    summary: 'measure how well a model predicts a text, every token of it',
    load: async () => (await import('./evaluate.ts')).evaluateCommand(),
  },
  generate: {
    summary: 'continue a text',
    load: async () => (await import('./generate.ts')).generateCommand(),
  },
  feedback: {
    summary: 'keep what people say of outputs: import, export, list, delete',
    load: async () => (await import('./feedback.ts')).feedbackCommand(),
  },
  adapt: {
    summary: 'learn from feedback; a gate decides whether the new version is promoted',
    load: async () => (await import('./adapt.ts')).adaptCommand(),
  },
  serve: {
    summary: 'answer requests over HTTP, among them those of OpenAI clients; take feedback and adapt',
    load: async () => (await import('./serve.ts')).serveCommand(),
  },
  models: {
    summary: 'list, promote, roll back, compare and verify the versions that adaptation made',
    load: async () => (await import('./models.ts')).modelsCommand(),
  },
  datasets: {
    summary: 'list the named datasets and where they are on this machine, or download them',
    load: async () => (await import('./datasets.ts')).datasetsCommand(),
  },
};

/**
 * Runs the command line: results go to stdout, everything else to stderr.
 *
 * @param args - What follows the program's name.
 * @returns The exit code.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    const program = await createProgram(args);
    await program.parseAsync(args, { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    return report(error);
  }
}

async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('itera-lite')
    .description('Train, compress, prove, ship and keep improving very small language models on a CPU.')
    .version(packageVersion)
    .configureHelp({ subcommandTerm: (command) => command.name() });
  for (const [name, { summary, load }] of Object.entries(verbs)) {
    // A verb that no argument names cannot run: its name and summary are enough for the list in the help.
    const command = args.includes(name) ? await load() : new Command(name);
    program.addCommand(command.description(summary));
  }
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command.exitOverride().showHelpAfterError(`${fullName(command)} --help lists the options.`);
  }
  return program;
}

const fullName = (command: Command): string =>
  [...(command.parent ? [fullName(command.parent)] : []), command.name()].join(' ');

function report(error: unknown): number {
  // Commander has already written what is wrong, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof IteraError) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    if (error.code === 'ABORTED') return exitCodes.interrupted;
    if (error.code === 'GATE_REFUSED') return exitCodes.refused;
    return error.code === 'INVALID_ARGUMENT' ? exitCodes.usage : exitCodes.failed;
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCodes.failed;
}
