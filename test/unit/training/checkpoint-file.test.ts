import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/core/random.ts';
import type { AdamWState } from '../../../src/training/adamw.ts';
import { readCheckpoint, writeCheckpoint } from '../../../src/training/checkpoint-file.ts';
import { allocateParameters, type ParameterBuffer } from '../../../src/training/parameter-buffer.ts';
import type { TrainingProgress } from '../../../src/training/trainer.ts';
import { countDifferentBits, createToySampler } from './toy-model.ts';

interface Holder {
  readonly parameters: ParameterBuffer;
  readonly optimizer: AdamWState;
}

/** The parts of a stepper that a checkpoint holds, filled with a seed's own numbers. */
function holder(seed: number, size = 12): Holder {
  const parameters = allocateParameters(new Map([['weight', [size]]]));
  const optimizer: AdamWState = { step: 0, mean: new Float32Array(size), variance: new Float32Array(size) };
  const random = createRandom(seed, 1);
  for (const data of [parameters.data, optimizer.mean, optimizer.variance]) data.set(data.map(() => random.normal()));
  optimizer.step = 10 * seed;
  return { parameters, optimizer };
}

const numbers = ({ parameters, optimizer }: Holder) => [parameters.data, optimizer.mean, optimizer.variance];

function differences(a: Holder, b: Holder): number {
  const [left, right] = [numbers(a), numbers(b)];
  const bits = left.map((data, index) => countDifferentBits(data, right[index] as Float32Array));
  return bits.reduce((sum, count) => sum + count, 0) + Math.abs(a.optimizer.step - b.optimizer.step);
}

const progress: TrainingProgress = {
  step: 17,
  sampler: createToySampler().state(),
  losses: [{ step: 10, loss: 0.1 + 0.2 }],
  recent: [1 / 3, 2e-300],
  validations: [{ step: 10, name: 'stories', bitsPerByte: 1.75 }],
};

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'itera-checkpoint-'));
  path = join(folder, 'run', 'checkpoint.safetensors');
});
afterEach(() => rm(folder, { recursive: true }));

/** Reads a file that must be refused, and checks that nothing of it got through. */
async function expectRefusal(code: string, message: RegExp, facts = {}, target = holder(2)): Promise<void> {
  const before = holder(2, target.parameters.data.length);
  await expect(readCheckpoint(path, target, facts)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
  expect(differences(target, before)).toBe(0);
}

describe('a checkpoint', () => {
  it('gives back weights, moments, step and progress, bit for bit', async () => {
    const stored = holder(1);
    stored.parameters.data.set([-0, 1e-45, Number.NaN, Number.POSITIVE_INFINITY]);
    await writeCheckpoint(path, stored, progress, {});
    const target = holder(2);
    expect(await readCheckpoint(path, target, {})).toEqual(progress);
    expect(differences(target, stored)).toBe(0);
  });

  it('replaces the one before and leaves nothing else in the folder', async () => {
    await writeCheckpoint(path, holder(1), progress, {});
    await writeCheckpoint(path, holder(3), { ...progress, step: 18 }, {});
    const target = holder(2);
    expect((await readCheckpoint(path, target, {})).step).toBe(18);
    expect(differences(target, holder(3))).toBe(0);
    expect(await readdir(join(folder, 'run'))).toEqual(['checkpoint.safetensors']);
  });

  it('has the same bytes for the same content', async () => {
    await writeCheckpoint(path, holder(1), progress, {});
    const first = await readFile(path);
    await writeCheckpoint(path, holder(1), progress, {});
    expect(first.equals(await readFile(path))).toBe(true);
  });

  it('survives a writer that was killed half-way', async () => {
    await writeCheckpoint(path, holder(1), progress, {});
    const whole = await readFile(path);
    await writeFile(`${path}.4711.tmp`, whole.subarray(0, whole.length / 2));
    const target = holder(2);
    await readCheckpoint(path, target, {});
    expect(differences(target, holder(1))).toBe(0);
    await writeCheckpoint(path, holder(3), progress, {});
    await readCheckpoint(path, target, {});
    expect(differences(target, holder(3))).toBe(0);
  });
});

describe('a checkpoint is refused', () => {
  beforeEach(() => writeCheckpoint(path, holder(1), progress, {}));

  it('cut anywhere', async () => {
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += length < 16 || length > whole.length - 16 ? 1 : 5) {
      await writeFile(path, whole.subarray(0, length));
      await expectRefusal('CHECKPOINT_INVALID', /^Cannot resume from .*checkpoint\.safetensors: /);
    }
  });

  it('with any byte altered, in one bit or in all', async () => {
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (whole[at] as number) ^ (at % 3 === 0 ? 0xff : 1 << (at % 8));
      await writeFile(path, damaged);
      await expectRefusal('CHECKPOINT_INVALID', /^Cannot resume from /);
    }
  });

  it('with bytes after its end, or as another kind of file', async () => {
    const whole = await readFile(path);
    for (const content of [Buffer.concat([whole, Buffer.of(0)]), Buffer.from('{"step": 4}'), Buffer.alloc(4096)]) {
      await writeFile(path, content);
      await expectRefusal('CHECKPOINT_INVALID', /^Cannot resume from /);
    }
  });

  it('if its numbers are declared to be of another type of the same size', async () => {
    const text = (await readFile(path)).toString('latin1');
    for (const name of ['weights', 'mean', 'variance']) {
      await writeFile(path, text.replace(`"${name}":{"dtype":"F32"`, `"${name}":{"dtype":"I32"`), 'latin1');
      await expectRefusal('CHECKPOINT_INVALID', new RegExp(`its ${name} do not fit this model`));
    }
  });

  it('if it belongs to another run, and says in what that differs', async () => {
    const facts = { steps: '100', 'text 1 (stories)': 'a'.repeat(64) };
    await writeCheckpoint(path, holder(1), progress, { steps: '50', seed: '1', 'text 1 (stories)': 'b'.repeat(64) });
    await expectRefusal(
      'CHECKPOINT_INVALID',
      /a run that differs in steps \(50, now 100\), seed \(1, now none\), text 1 \(stories\) \(bbbbbbbbbbbb\.\.\., now aaaaaaaaaaaa\.\.\.\)\./,
      facts,
    );
  });

  it.each([11, 13, 0])('by a model of %i weights instead of 12', async (size) => {
    await expectRefusal('CHECKPOINT_INVALID', /its weights do not fit this model/, {}, holder(2, size));
  });

  it('if there is none', async () => {
    await rm(path);
    await expectRefusal('FILE_NOT_FOUND', /^Expected a checkpoint at .*checkpoint\.safetensors, found none/);
  });

  it('if it cannot be read', async () => {
    await rm(path);
    await mkdir(path);
    await expectRefusal('FILE_UNREADABLE', /^Expected a checkpoint at .*could not read it/);
  });
});

describe('writing a checkpoint that cannot be written', () => {
  it('below a file says so', async () => {
    await writeFile(join(folder, 'run'), 'not a folder');
    await expect(writeCheckpoint(path, holder(1), progress, {})).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining(path),
      data: { path },
    });
    expect(await readFile(join(folder, 'run'), 'utf8')).toBe('not a folder');
  });

  it('over a folder leaves nothing behind', async () => {
    await mkdir(path, { recursive: true });
    await expect(writeCheckpoint(path, holder(1), progress, {})).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
    });
    expect(await readdir(join(folder, 'run'))).toEqual(['checkpoint.safetensors']);
  });

  it('leaves the old one, whatever fails', async () => {
    await writeCheckpoint(path, holder(1), progress, {});
    const copy = join(folder, 'copy');
    await copyFile(path, copy);
    // A name that is too long for the file system once the temporary ending is added, but not by itself.
    const long = join(folder, `${'n'.repeat(245)}.safe`);
    await copyFile(path, long);
    await expect(writeCheckpoint(long, holder(3), progress, {})).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
    });
    expect((await readFile(long)).equals(await readFile(copy))).toBe(true);
  });
});
