#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { IteraError } from '../core/errors.ts';
import { datasetsCommand } from './datasets.ts';
import { evaluateCommand } from './evaluate.ts';
import { generateCommand } from './generate.ts';
import { packageVersion } from './package-version.ts';
import { runCommand } from './run.ts';
import { trainCommand } from './train.ts';

/** Exit codes, as documented in the README. */
const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

function program(): Command {
  return new Command('itera-lite')
    .description('Train, compress, prove, ship and keep improving very small language models on a CPU.')
    .version(packageVersion)
    .showHelpAfterError()
    .addCommand(runCommand())
    .addCommand(trainCommand())
    .addCommand(evaluateCommand())
    .addCommand(generateCommand())
    .addCommand(datasetsCommand());
}

/** Sub-commands inherit neither setting on their own. */
function configure(command: Command): Command {
  command.exitOverride();
  for (const child of command.commands) configure(child);
  return command;
}

try {
  await configure(program()).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  if (error instanceof IteraError) {
    process.stderr.write(`${error.code}: ${error.message}\n`);
    return error.code === 'INVALID_ARGUMENT' ? exitCodes.usage : exitCodes.failed;
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCodes.failed;
}
