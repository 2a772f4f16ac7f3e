import { describe, expect, it } from 'vitest';
import { runDrill } from '../../../src/adaptation/drill.ts';
import { readModelFolder } from '../../../src/models/model-folder-file.ts';
import { adaptationCharts, adaptationTable } from '../../../src/report/adaptation-table.ts';

const small = { variants: [], baseTexts: ['stories'], baseBytes: 10_000, seed: 1, threads: 2, version: '0' };

describe('runDrill', () => {
  it('adapts, rolls back, and shows what changed', async () => {
    const folder = await readModelFolder('models/itera-lite-micro');
    const drill = await runDrill(folder, 'itera-lite-micro', 'phrase', { ...small, steps: 30 });
    expect(drill.failures).toEqual([]);
    expect(drill.adaptation.run).toMatchObject({ status: 'promoted', candidate: 'v2' });
    const value = (metric: string): number => {
      const record = drill.records.find((found) => found.metric === metric);
      return record?.status === 'measured' ? record.value : Number.NaN;
    };
    expect(value('wanted_nats_ratio')).toBeLessThan(0.85);
    expect(value('unwanted_probability_ratio')).toBeLessThan(0.2);
    expect(value('bits_per_byte_ratio')).toBeLessThan(1.01);
    expect(drill.findings).toEqual([
      expect.stringMatching(
        /^Adaptation drill \(phrase\): from 1\d\d examples a version was made that the gate promoted/,
      ),
      'Adaptation drill: after the rollback version 1 is promoted again; feedback, versions and audit log are whole.',
    ]);
    expect(drill.samples.map(({ model }) => model)).toEqual(['itera-lite-micro', 'itera-lite-micro-v2']);
    expect(drill.samples.every(({ text }) => text.length > 0)).toBe(true);
    const table = adaptationTable(drill.records);
    expect(table.rows).toHaveLength(drill.records.length);
    expect(table.rows.map(([, number]) => number?.text)).toContain('Loss on wanted text, after by before');
    expect(adaptationCharts(drill.records)[0]?.svg).toContain('phrase: loss on wanted text');
  }, 180_000);

  it('draws nothing without an adaptation', () => {
    expect(adaptationCharts([])).toEqual([]);
  });
});
