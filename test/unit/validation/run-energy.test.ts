import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelFolder } from '../../../src/models/model-folder-file.ts';
import { sortRecords } from '../../../src/report/record-kinds.ts';
import { planVariants } from '../../../src/validation/compared-variants.ts';
import { energyStage } from '../../../src/validation/run-energy.ts';
import type { Stage } from '../../../src/validation/stage.ts';
import { fullSize } from '../../../src/validation/validation-size.ts';
import { writeToyFolder } from '../compression/toy-folder.ts';

let dir: string;
let folder: ModelFolder;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-run-energy-'));
  folder = await writeToyFolder(dir);
});
afterAll(() => rm(dir, { recursive: true }));

async function stage(signal?: AbortSignal): Promise<Stage> {
  const about = { version: '0.0.0', seed: 1, threads: 1, ...(signal && { signal }) };
  const none = await planVariants(folder, [], { ...about, leftOutBy: '--variant none' });
  return energyStage({ folder, name: 'toy', size: fullSize, ...about }, none);
}

describe('energyStage', () => {
  it('gives energies, projections and, without a meter, the reason, all as records of energy', async () => {
    const said: string[] = [];
    const { records = [] } = await (await stage()).run((detail) => said.push(detail));
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
    await expect((await stage(signal)).run(() => undefined)).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
