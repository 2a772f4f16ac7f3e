import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CandidateEvidence } from '../../../src/adaptation/candidate/candidate-evidence.ts';
import { scenarioFile } from '../../../src/adaptation/scenarios.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { command } from '../cli/command-line.ts';

interface Printed {
  readonly decision: string;
  readonly promoted: string;
  readonly candidate: { readonly version: string; readonly dir: string };
  readonly findings: readonly { readonly name: string; readonly passed: boolean }[];
  readonly evidence: CandidateEvidence;
}

let dir: string;
let adapted: Awaited<ReturnType<typeof command>>;
const store = (): readonly string[] => ['--store', join(dir, 'store')];
const models = (...args: readonly string[]) => command('models', ...args, ...store());
const printed = (): Printed => JSON.parse(adapted.stdout) as Printed;

// One adaptation; the tests look at what it made and leave it as it was.
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-adapt-'));
  const file = scenarioFile('phrase');
  const first = await command('feedback', 'import', file, ...store());
  expect(first).toEqual({ code: 0, stdout: '240 added, 0 there already\n', stderr: '' });
  const again = await command('feedback', 'import', file, ...store(), '--json');
  expect(JSON.parse(again.stdout)).toEqual({ added: 0, duplicates: 240, skipped: 0 });
  const given = ['--model', 'itera-lite-micro', '--steps', '30', '--variant', 'int8'];
  adapted = await command('adapt', ...given, '--base-text', 'stories', '--base-text', 'articles', ...store(), '--json');
}, 240_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('itera-lite adapt', () => {
  it('promotes what is better on held-out feedback and no worse on base text', () => {
    expect(adapted.code, adapted.stderr).toBe(0);
    const { decision, promoted, candidate, findings, evidence } = printed();
    expect({ decision, promoted, version: candidate.version }).toEqual({
      ...{ decision: 'promoted', promoted: 'v2', version: 'v2' },
    });
    expect(findings.map(({ name }) => name)).toEqual(['heldOut', 'base', 'base', 'variants', 'variants', 'latency']);
    expect(evidence.measured?.heldOut.lossDifference.interval?.[1]).toBeLessThan(0);
    const bounds = evidence.measured?.base.map(({ ratio }) => ratio.interval?.[1] ?? Number.NaN) ?? [];
    expect(bounds).toHaveLength(2);
    for (const bound of bounds) expect(bound).toBeLessThanOrEqual(1.02);
  });

  it('makes a model that other commands take', async () => {
    const given = ['--model', printed().candidate.dir, '--max-new-tokens', '12', '--temperature', '0'];
    for (const variant of ['fp32', 'int8']) {
      const { code, stdout } = await command('generate', 'So Ann and Ben lived', ...given, '--variant', variant);
      expect(code).toBe(0);
      expect(stdout).not.toContain('happily ever after');
    }
    expect((await openModel(printed().candidate.dir)).itera).toMatchObject({ name: 'itera-lite-micro-v2' });
  });

  it('refuses another model on the same store', async () => {
    const { code, stderr } = await command('adapt', '--model', 'itera-lite-micro-transformer', ...store());
    expect(code).toBe(2);
    expect(stderr).toMatch(/^INVALID_ARGUMENT: .*Name that model, or another store\.$/m);
  });

  it('runs no more when nothing negative has come since', async () => {
    const { code, stdout } = await command('adapt', '--model', 'itera-lite-micro', '--when-due', ...store(), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ schemaVersion: 1, decision: 'notDue' });
  });
});

describe('itera-lite models', () => {
  it('lists and compares the versions', async () => {
    const { versions, deployment } = JSON.parse((await models('list', '--json')).stdout);
    expect(versions).toMatchObject([
      { id: 'v1', model: 'itera-lite-micro', state: 'kept' },
      { id: 'v2', parent: 'v1', state: 'kept' },
    ]);
    expect(deployment).toMatchObject({ promoted: 'v2', previous: 'v1' });
    const { files, weights } = JSON.parse((await models('diff', 'v1', 'v2', '--json')).stdout);
    expect(files).toContainEqual({ file: 'model.safetensors', change: 'changed' });
    expect(files).toContainEqual({ file: 'onnx/model_quantized.onnx', change: 'added' });
    expect(weights.relative).toBeGreaterThan(0);
    expect(weights.relative).toBeLessThan(0.1);
  });

  it('promotes a version for some or for all, and rolls back as far as there is something to return to', async () => {
    const deployment = async (...args: readonly string[]) => JSON.parse((await models(...args, '--json')).stdout);
    const canary = await deployment('promote', 'v1', '--canary', '20');
    expect(canary).toMatchObject({ promoted: 'v2', previous: 'v1', canary: { version: 'v1', share: 0.2 } });
    const ended = await deployment('rollback');
    expect(ended).toMatchObject({ promoted: 'v2', previous: 'v1' });
    expect(ended).not.toHaveProperty('canary');
    expect((await models('rollback')).stdout).toBe('v1 is promoted.\n');
    const nothing = await models('rollback');
    expect(nothing).toMatchObject({ code: 1, stderr: expect.stringMatching(/^VERSION_UNKNOWN: Nothing was promoted/) });
    expect((await models('promote', 'v9')).stderr).toMatch(/^VERSION_UNKNOWN: Expected a version \(v1, v2\)/);
    expect(await deployment('promote', 'v2')).toMatchObject({ promoted: 'v2', previous: 'v1' });
  });

  it('finds a byte that was changed, and lets such a version answer nobody', async () => {
    const whole = await models('verify');
    expect(whole).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^v1 +as recorded\nv2 +as recorded\naudit log: .*whole$/m),
    });
    const path = join(printed().candidate.dir, 'model.safetensors');
    const bytes = await readFile(path);
    const changed = Buffer.from(bytes);
    changed[changed.length >> 1]! ^= 1;
    await writeFile(path, changed);
    const found = await models('verify');
    expect(found.code).toBe(1);
    expect(found.stderr).toMatch(/^VERSION_CORRUPT: .*v2.*model\.safetensors was changed/);
    await models('rollback');
    const refused = await models('promote', 'v2');
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^VERSION_CORRUPT: .*restore the folder\.$/m),
    });
    expect((await models('list')).stdout).toMatch(/^v1 .*\(promoted\)$/m);
    await writeFile(path, bytes);
    expect((await models('promote', 'v2')).code).toBe(0);
  });
});
