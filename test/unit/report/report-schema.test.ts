import { readFile } from 'node:fs/promises';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import type { ValueRecord } from '../../../src/core/measurement.ts';
import {
  checkReport,
  parseRecordSet,
  parseReport,
  reportSchema,
  reportSchemaDocument,
} from '../../../src/report/report-schema.ts';
import { exampleReport } from './example-report.ts';

/** The example with the value at a path replaced; undefined removes it. */
function change(path: readonly (string | number)[], replacement: unknown): unknown {
  const copy = structuredClone(exampleReport) as unknown as Record<string | number, unknown>;
  let place = copy;
  for (const step of path.slice(0, -1)) place = place[step] as Record<string | number, unknown>;
  const last = path.at(-1) as string | number;
  if (replacement === undefined) delete place[last];
  else place[last] = replacement;
  return copy;
}

describe('checkReport', () => {
  it('accepts a report and returns it, also by way of JSON', () => {
    expect(checkReport(exampleReport)).toBe(exampleReport);
    expect(parseReport(JSON.stringify(exampleReport))).toEqual(exampleReport);
  });

  it('accepts properties of later versions', () => {
    expect(() => checkReport(change(['later'], { a: 1 }))).not.toThrow();
    expect(() => checkReport(change(['records', 0, 'later'], 1))).not.toThrow();
  });

  it('takes what only rounding leaves outside of its interval', () => {
    const { value } = exampleReport.records[0] as ValueRecord;
    const low = value * (1 + 1e-14);
    expect(() => checkReport(change(['records', 0, 'interval'], [low, 2]))).not.toThrow();
    expect(() => checkReport(change(['records', 0, 'interval'], [value, value]))).not.toThrow();
  });

  it('agrees with the schema as a whole', () => {
    expect(Check(reportSchema, exampleReport)).toBe(true);
    expect(Check(reportSchema, change(['records', 0, 'value'], '1.8'))).toBe(false);
  });

  const secondId = exampleReport.records[1]?.id;
  const lastRecord = exampleReport.records.length - 1;

  it.each<[string, (string | number)[], unknown, string?]>([
    ['a value as text', ['records', 0, 'value'], '1.8'],
    ['a value that is not a number', ['records', 0, 'value'], Number.NaN],
    ['a missing value', ['records', 0, 'value'], undefined],
    ['an unknown metric', ['records', 2, 'metric'], 'beauty'],
    ['an unknown status', ['records', 2, 'status'], 'guessed'],
    ['half an interval', ['records', 0, 'interval'], [1]],
    ['a reversed interval', ['records', 0, 'interval'], [2, 1]],
    ['a value below its interval', ['records', 0, 'value'], 1.7],
    ['a value above its interval', ['records', 0, 'value'], 1.9],
    ['full confidence', ['records', 0, 'confidence'], 1],
    ['a condition that is a list', ['records', 0, 'conditions', 'extra'], []],
    ['a number of threads as text', ['records', 0, 'conditions', 'threads'], '2'],
    ['an omission without a reason', ['records', lastRecord, 'reason'], undefined],
    ['an empty reason', ['records', lastRecord, 'reason'], ''],
    ['two records of one id', ['records', 0, 'id'], secondId, '/records/1/id'],
    ['a record that is null', ['records', 1], null],
    ['another schema version', ['schemaVersion'], 2],
    ['another kind', ['kind'], 'poem'],
    ['a missing model', ['model'], undefined],
    ['a hash that is none', ['provenance', 'hashes', 'model.safetensors'], 'abc'],
    ['a day that is none', ['provenance', 'createdAt'], 'yesterday'],
    ['a sample without a seed', ['samples', 0, 'seed'], undefined],
    ['a curve whose step is text', ['curves', 1, 'points', 3, 'step'], 'x'],
    ['a fact that is an object', ['model', 'facts', 'a/b'], {}, '/model/facts/a~1b'],
  ])('refuses %s and names its place', (_name, path, replacement, expected = `/${path.join('/')}`) => {
    const fault = expect.objectContaining({ code: 'RECORD_INVALID', data: { path: expected } });
    expect(() => checkReport(change(path, replacement))).toThrow(fault);
    expect(() => checkReport(change(path, replacement))).toThrow(`: ${expected} `);
  });

  it.each([null, 3, 'report', []])('refuses %j as a whole', (value) => {
    expect(() => checkReport(value)).toThrow(expect.objectContaining({ code: 'RECORD_INVALID', data: { path: '' } }));
  });
});

describe('parseReport', () => {
  it('refuses text that is not JSON', () => {
    expect(() => parseReport('{"title":')).toThrow(expect.objectContaining({ code: 'RECORD_INVALID' }));
  });

  it('says what was expected and what came', () => {
    const json = JSON.stringify(change(['records', 2, 'status'], 'guessed'));
    expect(() => parseReport(json)).toThrow(
      '/records/2/status must be "measured", "estimated" or "notRun", got "guessed"',
    );
  });
});

describe('the schema for other programs', () => {
  it('is not stale: npx tsx scripts/write-report-schema.ts', async () => {
    const path = new URL('../../../schemas/report.schema.json', import.meta.url);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(JSON.parse(JSON.stringify(reportSchemaDocument())));
  });

  it('has an identifier and says of every property what it is', () => {
    const schema = JSON.parse(JSON.stringify(reportSchemaDocument()));
    expect(schema).toMatchObject({ $id: 'urn:itera-lite:report:1', title: expect.any(String) });
    const [value, notRun] = schema.properties.records.items.anyOf;
    for (const { properties } of [value, notRun, schema.properties.provenance, value.properties.conditions]) {
      const silent = Object.entries(properties).filter(
        ([, property]) => !(property as object & { description?: string }).description,
      );
      expect(silent.map(([name]) => name).filter((name) => name !== 'status')).toEqual([]);
    }
  });

  it('accepts and refuses the same as the check, as plain JSON', () => {
    const schema = JSON.parse(JSON.stringify(reportSchemaDocument()));
    expect(Check(schema, exampleReport)).toBe(true);
    expect(Check(schema, change(['records', 0, 'value'], '1.8'))).toBe(false);
    expect(Check(schema, change(['provenance', 'hashes', 'model.safetensors'], 'abc'))).toBe(false);
    expect(Check(schema, change(['schemaVersion'], 2))).toBe(false);
  });
});

describe('the records of the bundled models', () => {
  it.each(['micro', 'micro-transformer', 'tiny', 'tiny-transformer', 'small'])(
    'follow the schema: %s',
    async (name) => {
      const path = new URL(`../../../models/itera-lite-${name}/itera.json`, import.meta.url);
      const { measurements } = JSON.parse(await readFile(path, 'utf8'));
      const { schemaVersion, provenance } = exampleReport;
      const set = parseRecordSet(JSON.stringify({ schemaVersion, provenance, records: measurements }));
      expect(set.records.length).toBeGreaterThan(0);
    },
  );
});
