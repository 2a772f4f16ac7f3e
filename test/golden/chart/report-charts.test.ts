import { describe, expect, it } from 'vitest';
import { reportCharts } from '../../../src/report/sections.ts';
import { wholeReport } from '../../unit/report/example-report.ts';

/** Every chart of a report with made-up numbers, to be looked at when the way they are drawn changes. */
describe('the charts of a report', () => {
  const charts = reportCharts(wholeReport);

  it('have a name of their own each', () => {
    expect(new Set(charts.map(({ name }) => name)).size).toBe(charts.length);
  });

  it.each(charts.map(({ name, ...chart }) => [name, chart] as const))('%s', async (name, { records }) => {
    const chart = charts.find((one) => one.name === name);
    await expect(chart?.svg).toMatchFileSnapshot(`report/${name}.svg`);
    await expect(chart?.narrow).toMatchFileSnapshot(`report/${name}-narrow.svg`);
    expect(records.every((record) => record === undefined || wholeReport.records.includes(record))).toBe(true);
  });
});
