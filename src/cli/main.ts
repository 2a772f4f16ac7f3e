#!/usr/bin/env node
import { runProgram } from './program.ts';

// A reader such as `head` that has had enough closes the pipe: nothing is wrong then.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`OUTPUT_UNWRITABLE: Could not write to standard output: ${error.message}\n`);
  process.exit(1);
});

process.exitCode = await runProgram(process.argv.slice(2));
