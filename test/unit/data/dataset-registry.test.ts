import { describe, expect, it } from 'vitest';
import {
  type DatasetEntry,
  datasetEntries,
  findDatasetEntry,
  verifyDatasetFile,
} from '../../../src/data/dataset-registry.ts';

describe('the registry', () => {
  it('has one entry per name, each complete', () => {
    expect(datasetEntries.map(({ name }) => name)).toEqual(['stories', 'articles', 'tinystories', 'wikitext-2']);
    for (const entry of datasetEntries) {
      expect(Object.keys(entry.separator)).toEqual(entry.splits);
      expect(entry.splits).toEqual(expect.arrayContaining(Object.keys(entry.sha256)));
      for (const hash of Object.values(entry.sha256)) expect(hash).toMatch(/^[0-9a-f]{64}$/);
      // What is not in the package can only be recognised by its hash.
      if (!entry.bundled) expect(Object.keys(entry.sha256)).toEqual(entry.splits);
    }
  });

  it('finds by exact name', () => {
    expect(findDatasetEntry('wikitext-2')?.separator.train).toBe('wikitext-articles');
    expect(findDatasetEntry('WikiText-2')).toBeUndefined();
    expect(findDatasetEntry('constructor')).toBeUndefined();
  });
});

describe('verifyDatasetFile', () => {
  const entry = findDatasetEntry('tinystories') as DatasetEntry;

  it('knows the published files', () => {
    expect(verifyDatasetFile(entry, 'test', entry.sha256.test as string, 'x')).toBe(true);
    expect(verifyDatasetFile({ ...entry, sha256: {} }, 'test', '00', 'x')).toBeUndefined();
  });

  it('reports another training file and refuses another test file', () => {
    expect(verifyDatasetFile(entry, 'train', '00', 'x')).toBe(false);
    for (const split of ['valid', 'test'] as const) {
      expect(() => verifyDatasetFile(entry, split, '00', 'some/path')).toThrow(
        expect.objectContaining({ code: 'FILE_CORRUPT', message: expect.stringContaining('some/path') }),
      );
    }
  });
});
