import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecordSet, ValueRecord } from '../../../src/core/measurement.ts';
import { meterNames } from '../../../src/energy/choose-meter.ts';
import { writeToyFolder } from '../../unit/compression/toy-folder.ts';
import { command, startProcess } from './command-line.ts';

let dir: string;
let model: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-energy-test-'));
  model = join(dir, 'toy');
  await writeToyFolder(model);
});
afterAll(() => rm(dir, { recursive: true }));

/** The estimate works on every machine, with or without a meter. */
const quick = ['--meter', 'estimate', '--rounds', '3', '--seconds', '0.03'];

describe('itera-lite energy', { timeout: 60_000 }, () => {
  it('bounds the energy of variants, phases, batches and training, and keeps the numbers', async () => {
    const out = join(dir, 'out');
    const work = [
      '--variant',
      'fp32',
      '--variant',
      'fp16',
      '--batch',
      '1',
      '--batch',
      '2',
      '--train',
      '--carbon',
      '400',
    ];
    const { code, stdout } = await command('energy', '--model', model, ...work, ...quick, '--out', out, '--json');
    expect(code).toBe(0);
    const { records, provenance } = JSON.parse(stdout) as RecordSet;
    expect(provenance.hashes).toHaveProperty('variant/fp16');
    expect((await readdir(out)).sort()).toEqual(['energy-per-token.svg', 'energy-ratio.svg', 'energy.json']);
    expect(JSON.parse(await readFile(join(out, 'energy.json'), 'utf8'))).toEqual(JSON.parse(stdout));
    const values = records.filter((record): record is ValueRecord => record.status !== 'notRun');
    expect(values).toHaveLength(records.length);
    for (const record of values) {
      const { value, interval } = record;
      expect(record.status).toBe('estimated');
      expect(value).toBeGreaterThan(0);
      expect(interval?.[0]).toBeLessThanOrEqual(value);
      expect(interval?.[1]).toBeGreaterThanOrEqual(value);
    }
    const count = (metric: string): number => values.filter((record) => record.metric === metric).length;
    // 2 variants, 2 batches; prefill and decode; a ratio for each of three phases of one variant; 3 platforms.
    expect(count('energy_j_per_token')).toBe(8);
    expect(count('carbon_g_per_million_tokens')).toBe(8);
    expect(count('energy_j_per_inference')).toBe(4);
    expect(count('energy_delay_js')).toBe(4);
    expect(count('energy_ratio')).toBe(6);
    expect(count('energy_j_per_step')).toBe(1);
    expect(count('power_w')).toBe(13);
    expect(count('projected_energy_j_per_token')).toBe(6);
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
  });

  it('shows tables and the method', async () => {
    const given = ['--variant', 'fp32', '--phase', 'decode'];
    const { code, stdout } = await command('energy', '--model', model, ...given, ...quick);
    expect(code).toBe(0);
    expect(stdout).toContain('Energy, estimated from CPU time');
    expect(stdout).toContain('computed, never measured');
    expect(stdout).toContain('Method: estimated, not measured: CPU seconds x ');
  });

  it('lists the meters, with what each lacks', async () => {
    const { code, stdout } = await command('energy', '--list-meters', '--json');
    expect(code).toBe(0);
    const { meters } = JSON.parse(stdout);
    expect(meters.map(({ name }: { name: string }) => name)).toEqual([...meterNames]);
    expect(meters.at(-1)).toMatchObject({ name: 'estimate', usable: true });
    for (const { text } of meters) expect(text.length).toBeGreaterThan(20);
    expect((await command('energy', '--list-meters')).stdout).toMatch(/^rapl: (not )?usable\. /);
  });

  it.each([
    [['--phase', 'dreaming'], /^INVALID_ARGUMENT: Expected --phase prefill, decode, inference, got "dreaming"/],
    [['--variant', 'int2'], /^INVALID_ARGUMENT: Expected --variant/],
    [['--rounds', '1'], /Expected a whole number from 2 to 1000/],
    [['--seconds', '0'], /Expected a number above 0/],
    [['--meter', 'guess'], /argument 'guess' is invalid. Allowed choices are rapl/],
    [['--batch', '1000'], /Expected a whole number from 1 to 256/],
  ])('refuses %s with exit code 2', async (given, says) => {
    const { code, stdout, stderr } = await command('energy', '--model', model, ...given);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });

  it('ends on Ctrl-C with exit code 130 and no result', async () => {
    const { child, ended } = startProcess('energy', '--model', model, '--variant', 'fp32', '--seconds', '20');
    let said = '';
    child.stderr?.on('data', (block: Buffer) => {
      const before = said.includes('warming up');
      said += block.toString();
      if (!before && said.includes('warming up')) child.kill('SIGINT');
    });
    expect(await ended).toMatchObject({ code: 130, stdout: '', stderr: expect.stringContaining('ABORTED') });
  });
});
