import { type ChildProcess, spawn } from 'node:child_process';
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { prepareToyRun, type ToyRun } from './toy-run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

let toy: ToyRun;
let recipePath: string;
let uninterrupted: Promise<Ended>;

/** Starts `itera-lite train` in a process of its own. */
function startTraining(name: string, ...more: string[]): Running {
  const places = ['--run-dir', join(toy.folder, name), '--out', join(toy.folder, `${name}-model`)];
  const parameters = ['train', '--recipe', recipePath, '--threads', '1', ...places, ...more];
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...parameters], {
    cwd: root,
    env: { ...process.env, ITERA_CACHE_DIR: join(toy.folder, 'cache') },
  });
  const [stdout, stderr]: [string[], string[]] = [[], []];
  child.stdout.on('data', (block: Buffer) => stdout.push(block.toString()));
  child.stderr.on('data', (block: Buffer) => stderr.push(block.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout.join(''), stderr: stderr.join('') }));
  });
  return { child, ended };
}

/** Sends a signal once the run has stored its first checkpoint, which is long before its end. */
async function signalInTheMiddle({ child, ended }: Running, name: string, signal: NodeJS.Signals): Promise<Ended> {
  const checkpoint = join(toy.folder, name, 'checkpoint.safetensors');
  for (;;) {
    if (child.exitCode !== null) throw new Error(`It ended before a checkpoint: ${(await ended).stderr}`);
    const stored = await access(checkpoint).then(
      () => true,
      () => false,
    );
    if (stored) break;
    await wait(2);
  }
  child.kill(signal);
  return ended;
}

const trainingOf = ({ stdout }: Ended): unknown => (JSON.parse(stdout) as { training: unknown }).training;

const weightsOf = (name: string): Promise<Buffer> => readFile(join(toy.folder, `${name}-model`, 'model.safetensors'));

beforeAll(async () => {
  // The first checkpoint comes after 6 steps of 40: there is time to see it before the run is over.
  toy = await prepareToyRun({ steps: 40, checkpointEvery: 6 });
  recipePath = join(toy.folder, 'recipe.json');
  // With the byte order mark that some editors begin a file with.
  await writeFile(recipePath, `\uFEFF${JSON.stringify(toy.recipe)}`);
  uninterrupted = startTraining('whole', '--json').ended;
});
afterAll(() => rm(toy.folder, { recursive: true }));

// At the same time, because each start of a process costs seconds.
describe.concurrent('itera-lite train', { timeout: 120_000 }, () => {
  it('writes a model folder and prints its provenance alone on stdout', async ({ expect }) => {
    const { code, stdout, stderr } = await uninterrupted;
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^40\/40 steps.*\nstep 40: .*\nwrote /m),
    });
    expect(await readdir(join(toy.folder, 'whole-model'))).toEqual(
      expect.arrayContaining(['config.json', 'itera.json', 'model.safetensors', 'README.md', 'tokenizer.json']),
    );
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'toy',
      // Published without the folders of the author's machine.
      recipe: {
        ...toy.recipe,
        mixture: toy.recipe.mixture.map((source) => ({ ...source, dataset: basename(source.dataset) })),
      },
      training: { steps: 40, tokens: 40 * 64, threads: 1, finalLossNats: expect.any(Number) },
    });
  });

  it('refuses to write over a model that is there', async ({ expect }) => {
    await uninterrupted;
    const again = await startTraining('other', '--out', join(toy.folder, 'whole-model')).ended;
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/^INVALID_ARGUMENT: Expected --out to name a new or empty folder.*--overwrite/);
  });

  it('that was killed resumes to the same bytes as one that was not', async ({ expect }) => {
    const killed = await signalInTheMiddle(startTraining('killed'), 'killed', 'SIGKILL');
    expect(killed.signal).toBe('SIGKILL');
    await expect(weightsOf('killed')).rejects.toMatchObject({ code: 'ENOENT' });
    const resumed = await startTraining('killed', '--resume', '--json').ended;
    expect(resumed.code).toBe(0);
    const whole = await uninterrupted;
    expect((await weightsOf('killed')).equals(await weightsOf('whole'))).toBe(true);
    expect(trainingOf(resumed)).toEqual(trainingOf(whole));
  });

  // Windows has no such signal to send: there, kill ends the process at once.
  it.skipIf(process.platform === 'win32')('saves on Ctrl-C, says how to go on, and does', async ({ expect }) => {
    const stopped = await signalInTheMiddle(startTraining('stopped'), 'stopped', 'SIGINT');
    expect(stopped).toMatchObject({ code: 130, signal: null, stdout: '' });
    expect(stopped.stderr).toContain('stopping after this step and saving');
    const [, step] =
      /ABORTED: Stopped at step (\d+) of 40\. Give the same command again with --resume/.exec(stopped.stderr) ?? [];
    expect(Number(step)).toBeGreaterThanOrEqual(6);
    expect(Number(step)).toBeLessThan(40);
    const resumed = await startTraining('stopped', '--resume').ended;
    expect(resumed).toMatchObject({ code: 0, stdout: '' });
    await uninterrupted;
    expect((await weightsOf('stopped')).equals(await weightsOf('whole'))).toBe(true);
  });
});
