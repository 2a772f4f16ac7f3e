import { expect, it } from 'vitest';
import type { ValueRecord } from '../../../src/core/measurement.ts';
import { serverTable } from '../../../src/report/server-table.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { serverStage } from '../../../src/validation/run-server.ts';
import { fullSize } from '../../../src/validation/validation-size.ts';

const about = { name: 'micro', version: '0.0.0', seed: 1, threads: 1, size: fullSize };

it('asks a served model, loads it, and states what came', { timeout: 90_000 }, async () => {
  const folder = await openModel('itera-lite-micro');
  const said: string[] = [];
  const stage = serverStage({ folder, ...about });
  const { records = [], failures, findings } = await stage.run((detail) => said.push(detail));
  expect(failures).toEqual([]);
  expect(findings).toHaveLength(1);
  expect(said).toEqual(expect.arrayContaining(['/v1/completions', '1 client', '32 clients']));
  const values = records as readonly ValueRecord[];
  for (const concurrency of [1, 8, 32]) {
    const own = values.filter(({ conditions }) => conditions['concurrency'] === concurrency);
    const latency = (statistic: string) =>
      own.find(({ conditions }) => conditions['statistic'] === statistic)?.value as number;
    expect(latency('median')).toBeGreaterThan(0);
    expect(latency('p99')).toBeGreaterThanOrEqual(latency('median'));
    expect(own.find(({ metric }) => metric === 'tokens_per_second')?.value).toBeGreaterThan(0);
    expect(own.find(({ metric }) => metric === 'failed_requests')).toMatchObject({ value: 0, status: 'measured' });
  }
  expect(serverTable(records).rows.map(([first]) => first?.text)).toEqual(['1', '8', '32']);
});

it('stops when it is told to', async () => {
  const folder = await openModel('itera-lite-micro');
  const controller = new AbortController();
  const stage = serverStage({ folder, ...about, signal: controller.signal });
  const checked = stage.run((detail) => detail === '8 clients' && controller.abort());
  await expect(checked).rejects.toMatchObject({ code: 'ABORTED' });
}, 60_000);
