import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TokenizedDataset } from '../../../src/data/batches.ts';
import type { Teacher } from '../../../src/training/teacher.ts';
import type { TeacherIdentity } from '../../../src/training/teacher-block.ts';
import { loadTeacherPredictions, type TeacherCacheOptions } from '../../../src/training/teacher-cache-file.ts';
import type { CachedPredictions } from '../../../src/training/teacher-predictions-file.ts';
import { readTeacherRows } from '../../../src/training/teacher-rows.ts';

const identity: TeacherIdentity = {
  ...{ sha256: 'a'.repeat(64), tokenizerSha256: 'b'.repeat(64) },
  ...{ vocabSize: 100, topK: 3, stride: 4 },
};

/** 150 tokens: three blocks of 64 positions, the last one short and of a broken stride. */
const tokens = Uint16Array.from({ length: 150 }, (_, index) => (index * 7) % 90);
const source: TokenizedDataset = { name: 'toy', tokens, documentStarts: Uint32Array.of(0), totalBytes: 150 };

/** A teacher that holds the same token, the next and the next but one probable; it counts what it is asked. */
class CountingTeacher implements Teacher {
  asked = 0;
  released = 0;
  contexts: number[] = [];

  async predict(rows: readonly (Uint16Array | Uint32Array)[], keep: number) {
    this.asked += rows.length * keep;
    this.contexts.push(...rows.map((row) => row.length - keep));
    const last = rows.flatMap((row) => Array.from(row.subarray(row.length - keep)));
    return {
      ids: BigInt64Array.from(last.flatMap((token) => [token, token + 1, token + 2].map(BigInt))),
      logProbs: Float32Array.from(last.flatMap(() => [0.5, 0.25, 0.125].map(Math.log))),
    };
  }

  async release() {
    this.released++;
  }
}

let cacheDir: string;
const opened: CachedPredictions[] = [];

beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'itera-teacher-'));
});
afterEach(async () => {
  for (const predictions of opened.splice(0)) await predictions.close();
  await rm(cacheDir, { recursive: true });
});

async function load(teacher: Teacher, options: TeacherCacheOptions = {}, change: Partial<TeacherIdentity> = {}) {
  const all = { ...identity, ...change };
  const predictions = await loadTeacherPredictions(source, all, async () => teacher, { cacheDir, ...options });
  opened.push(predictions);
  return predictions;
}

describe('loadTeacherPredictions', () => {
  it('asks once about every token, with context, and afterwards reads the file', async () => {
    const teacher = new CountingTeacher();
    const built = await load(teacher);
    expect(built.status).toBe('built');
    expect(teacher).toMatchObject({ asked: 150, released: 1 });
    const [first, ...others] = teacher.contexts;
    expect(first).toBe(0);
    expect(Math.min(...others)).toBeGreaterThanOrEqual(4);
    const again = new CountingTeacher();
    expect((await load(again)).status).toBe('hit');
    expect(again).toMatchObject({ asked: 0, released: 0 });
  });

  it('reads any stretch, over the borders of blocks too', async () => {
    const predictions = await load(new CountingTeacher());
    for (const [start, count] of [
      [0, 5],
      [60, 70],
      [149, 1],
      [0, 150],
    ] as const) {
      const { ids, costs } = await predictions.read(start, count);
      const expected = [...tokens.subarray(start, start + count)].flatMap((token) => [token, token + 1, token + 2]);
      expect([...ids]).toEqual(expected);
      expect(costs).toHaveLength(3 * count);
    }
    await expect(predictions.read(140, 20)).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
  });

  it('keeps ids above 16 bits', async () => {
    const wide: Teacher = {
      predict: async (rows, keep) => ({
        ids: new BigInt64Array(rows.length * keep).fill(70_001n),
        logProbs: new Float32Array(rows.length * keep).fill(-1),
      }),
      release: async () => undefined,
    };
    const predictions = await load(wide, {}, { vocabSize: 80_000, topK: 1 });
    expect([...(await predictions.read(62, 4)).ids]).toEqual(Array(4).fill(70_001));
  });

  it('goes on where it was interrupted, to the same bytes', async () => {
    const whole = await readFile((await load(new CountingTeacher())).path);
    const [path, controller] = [opened[0]?.path as string, new AbortController()];
    await rm(path);
    const stopped = load(new CountingTeacher(), {
      signal: controller.signal,
      onProgress: ({ done }) => done >= 64 && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED', message: expect.stringContaining('is kept') });
    // A block that was half written when the machine went down.
    const part = `${path}.part`;
    await writeFile(part, Buffer.concat([await readFile(part), Buffer.alloc(100, 1)]));
    const teacher = new CountingTeacher();
    const seen: number[] = [];
    await load(teacher, { onProgress: ({ done }) => seen.push(done) });
    expect(teacher.asked).toBe(150 - 64);
    expect(seen).toEqual([128, 150]);
    expect((await readFile(path)).equals(whole)).toBe(true);
  });

  it.each<[string, (file: Buffer) => Buffer, number]>([
    [
      'a changed bit in the second block',
      (file) => Buffer.from(file.map((byte, at) => (at === 2000 ? byte ^ 4 : byte))),
      86,
    ],
    ['a missing end', (file) => file.subarray(0, -1), 22],
    ['more at its end', (file) => Buffer.concat([file, Buffer.alloc(5)]), 0],
    ['another header', (file) => Buffer.from(file.map((byte, at) => (at === 5 ? byte ^ 4 : byte))), 150],
  ])('makes again what is damaged: %s', async (_, damage, asked) => {
    const { path } = await load(new CountingTeacher());
    const whole = await readFile(path);
    await writeFile(path, damage(whole));
    const teacher = new CountingTeacher();
    expect((await load(teacher)).status).toBe('rebuilt');
    expect(teacher.asked).toBe(asked);
    expect((await readFile(path)).equals(whole)).toBe(true);
  });

  it('keeps the predictions of each teacher, text and number of tokens apart', async () => {
    const { path } = await load(new CountingTeacher());
    for (const change of [{ sha256: 'c'.repeat(64) }, { tokenizerSha256: 'c'.repeat(64) }, { stride: 8 }]) {
      const other = await load(new CountingTeacher(), {}, change);
      expect(other).toMatchObject({ status: 'built', path: expect.not.stringContaining(path) });
    }
  });

  it('says so where the file shrinks while it is read, and where it cannot be kept', async () => {
    const predictions = await load(new CountingTeacher());
    await truncate(predictions.path, 1100);
    await expect(predictions.read(100, 10)).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
    const file = join(cacheDir, 'file');
    await writeFile(file, '');
    await expect(load(new CountingTeacher(), { cacheDir: file })).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringContaining('ITERA_CACHE_DIR'),
    });
  });
});

describe('readTeacherRows', () => {
  it('gives the probabilities of each row and says where the truth is not among them', async () => {
    const predictions = await load(new CountingTeacher());
    const targets = BigInt64Array.from([...tokens.subarray(11, 14), ...tokens.subarray(71, 74)], BigInt);
    targets[1] = BigInt((tokens[11] as number) + 2);
    const origins = [
      { source: 0, start: 10 },
      { source: 0, start: 70 },
    ];
    const rows = await readTeacherRows({ targets, origins }, [predictions]);
    const start = tokens[70] as number;
    expect([...rows.ids.subarray(9, 12)].map(Number)).toEqual([start, start + 1, start + 2]);
    for (let at = 0; at < 6; at++) {
      for (const [rank, expected] of [0.5, 0.25, 0.125].entries()) {
        const ratio = (rows.weights[3 * at + rank] as number) / expected;
        expect(Math.abs(ratio - 1)).toBeLessThan(0.0003);
      }
    }
    expect([...rows.targetWeights]).toEqual([1, 0, 1, 1, 1, 1]);
  });

  it('refuses a row from elsewhere', async () => {
    const predictions = await load(new CountingTeacher());
    for (const origin of [
      { source: 1, start: 0 },
      { source: 0, start: 149 },
    ]) {
      const rows = readTeacherRows({ targets: new BigInt64Array(2), origins: [origin] }, [predictions]);
      await expect(rows).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });
});
