import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const start = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'generate', ...args], { cwd: root });

it('refuses a prompt that the command line cannot carry, and takes it from a file', async () => {
  const long = 'The dog ran to the park. '.repeat(2000);
  await expect(start(long)).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^INVALID_ARGUMENT: .*--prompt-file/),
  });
  const folder = await mkdtemp(join(tmpdir(), 'itera-prompt-'));
  await writeFile(join(folder, 'prompt.txt'), long);
  const { stdout } = await start('--prompt-file', join(folder, 'prompt.txt'), '--max-new-tokens', '2', '--json');
  await rm(folder, { recursive: true });
  expect(JSON.parse(stdout)).toMatchObject({ prompt: long, tokens: [{}, {}] });
});
