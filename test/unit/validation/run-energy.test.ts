import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import { sortRecords } from '../../../src/report/record-kinds.ts';
import { energyStage } from '../../../src/validation/run-energy.ts';
import { writeToyFolder } from '../compression/toy-folder.ts';

let dir: string;
let folder: ModelFolder;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-run-energy-'));
  folder = await writeToyFolder(dir);
});
afterAll(() => rm(dir, { recursive: true }));

describe('energyStage', () => {
  it('gives energies, projections and, without a meter, the reason, all as records of energy', async () => {
    const said: string[] = [];
    const { records = [] } = await energyStage(folder, [], { name: 'toy', seed: 1 }).run((detail) => said.push(detail));
    expect(sortRecords(records).energy).toEqual(records);
    const values = records.filter(({ status }) => status !== 'notRun');
    const metrics = new Set(values.map(({ metric }) => metric));
    expect([...metrics].sort()).toEqual([
      ...['energy_delay_js', 'energy_j_per_inference', 'energy_j_per_token', 'power_w'],
      ...['projected_energy_j_per_token', 'tokens_per_joule'],
    ]);
    const isEstimate = values.some(({ conditions }) => conditions['meter'] === 'estimate');
    expect(records.filter(({ status }) => status === 'notRun')).toHaveLength(isEstimate ? 1 : 0);
    expect(new Set(said)).toContain('measuring');
  });

  it('ends when it is aborted', async () => {
    const signal = AbortSignal.abort();
    const stage = energyStage(folder, [], { name: 'toy', seed: 1, signal });
    await expect(stage.run(() => undefined)).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
