import { describe, expect, it } from 'vitest';
import { renderMarkdown } from '../../../src/report/markdown.ts';
import { reportObjectives } from '../../../src/report/objectives.ts';
import { summarize } from '../../../src/report/summary.ts';
import { printable } from '../../../src/report/terminal-table.ts';
import { exampleReport as report } from './example-report.ts';

describe('a report of a job that was not done in full', () => {
  it('counts a part that was left out or failed among the objectives', () => {
    for (const status of ['notRun', 'failed'] as const) {
      const stages = [{ id: 'drill/phrase', name: 'adaptation drill', status, reason: 'Left out.' }];
      const added = reportObjectives({ ...report, stages }).filter(({ name }) => name === 'Learns from feedback');
      expect(added).toEqual([expect.objectContaining({ verdict: 'notRun', result: 'Left out.' })]);
    }
  });

  it('never says that all holds where something failed', () => {
    const measured = report.records.filter(({ status }) => status !== 'notRun');
    const failing = { ...report, records: measured, failures: ['Something broke.'] };
    expect(summarize(failing).outcome).toContain('something else failed');
    expect(summarize(failing).doesNotHold).toContain('Something broke.');
  });

  it('keeps its tables where a number is too large for any axis', () => {
    const records = report.records.map((record) =>
      record.metric === 'size_bytes' && record.status !== 'notRun' ? { ...record, value: 1e308 } : record,
    );
    expect(renderMarkdown({ ...report, records })).toContain('## Compression');
  });

  it('cannot steer a terminal', () => {
    expect(printable('a\u001b[2J\u0007\u202eb')).toBe('a[2Jb');
  });
});
