#!/usr/bin/env node
import { runProgram } from './program.ts';

// A reader such as `head` that has had enough closes the pipe: nothing is wrong then.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  process.stderr.write(`OUTPUT_UNWRITABLE: Could not write to standard output: ${error.message}\n`);
  process.exit(1);
});

/** onnxruntime-node 1.30 crashes the process when its first session meets a command line of 30,000 characters. */
const longestCommandLine = 16_000;

const args = process.argv.slice(2);
if (Buffer.byteLength(args.join(' ')) > longestCommandLine) {
  process.stderr.write(
    `INVALID_ARGUMENT: Expected a command line of at most ${longestCommandLine} bytes, got ` +
      `${Buffer.byteLength(args.join(' '))}. Give a long prompt as a file: generate --prompt-file FILE.\n`,
  );
  process.exitCode = 2;
} else {
  process.exitCode = await runProgram(args);
}
