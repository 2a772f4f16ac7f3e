import { afterEach, expect, it } from 'vitest';
import { recordOutput } from '../output-record.ts';

const { log } = console;
const stdout = process.stdout.write;
const stderr = process.stderr.write;

afterEach(() => {
  console.log = log;
  process.stdout.write = stdout;
  process.stderr.write = stderr;
});

it('keeps what is written to the console and the streams, once', () => {
  const take = recordOutput();
  console.log('seven is %d', 7);
  process.stdout.write('text');
  process.stderr.write(new Uint8Array([104, 105]));
  expect(take()).toEqual(['console.log: seven is 7', 'stdout: text', 'stderr: hi']);
  expect(take()).toEqual([]);
});
