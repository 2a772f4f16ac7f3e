import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { layers } from '../../../.dependency-cruiser.mjs';
import { errorCodes } from '../../../src/core/errors.ts';
import { metrics } from '../../../src/core/measurement.ts';

/** Cells of every table row of a Markdown file whose first cell is code, with that cell's quotes taken off. */
function codeRows(file: string): string[][] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const rows = lines.filter((line) => line.startsWith('| `')).map((line) => line.slice(2, -2).split(' | '));
  return rows.map(([first = '', ...rest]) => [first.slice(1, -1), ...rest]);
}

describe('docs/errors.md', () => {
  it('is the table of error codes', () => {
    expect(codeRows('docs/errors.md')).toEqual(Object.entries(errorCodes));
  });
});

describe('docs/metrics.md', () => {
  it('defines every metric, in the order of the code', () => {
    expect(codeRows('docs/metrics.md').map(([name]) => name)).toEqual([...metrics]);
  });

  it('gives each a unit and a definition', () => {
    const incomplete = codeRows('docs/metrics.md').filter(([, unit, definition]) => !unit || !definition);
    expect(incomplete).toEqual([]);
  });
});

describe('docs/dependencies.md', () => {
  const { dependencies, peerDependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));

  it('has one line for every dependency, in the order of package.json', () => {
    const peers = Object.keys(peerDependencies);
    const development = Object.keys(devDependencies).filter((name) => !peers.includes(name));
    const names = codeRows('docs/dependencies.md').map(([name]) => name);
    expect(names).toEqual([...Object.keys(dependencies), ...peers, ...development]);
  });

  it('is true that versions are exact', () => {
    const versions = [dependencies, peerDependencies, devDependencies].flatMap((group) => Object.values(group));
    expect(versions.filter((version) => !/^\d+\.\d+\.\d+(-\w+)?$/.test(String(version)))).toEqual([]);
  });
});

describe('README.md', () => {
  it('lists every folder of src/ with its layer', () => {
    const rows = codeRows('README.md').filter(([name]) => name?.endsWith('/'));
    const listed = rows.map(([name = '', layer]) => [name.slice(0, -1), Number(layer)]);
    const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const names = new Set(folders.map(({ name }) => name));
    const expected = layers.flatMap((group, layer) => group.map((name) => [name, layer]));
    expect(listed).toEqual(expected.filter(([name]) => listed.some(([other]) => other === name)));
    expect(listed.map(([name]) => name)).toEqual(expect.arrayContaining([...names]));
  });
});
