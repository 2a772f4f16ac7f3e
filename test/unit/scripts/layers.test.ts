import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseOptions, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import configuration, { layers, portable } from '../../../.dependency-cruiser.mjs';

/** A violation of each rule: the file, what it imports, and the rule that must catch it. */
const violations: readonly (readonly [file: string, imports: string, rule: string])[] = [
  ['core/upward.ts', '../models/target.ts', 'layer-core'],
  ['graph/sibling.ts', '../text/target.ts', 'layer-graph'],
  ['evaluation/sibling.ts', '../energy/target.ts', 'layer-evaluation'],
  ['server/upward.ts', '../cli/target.ts', 'layer-server'],
  ['cli/whole.ts', '../index.ts', 'layer-cli'],
  ['utils/anything.ts', '../core/target.ts', 'unlisted-folder'],
  ['core/first.ts', './second.ts', 'cycle'],
  ['models/weights.ts', 'node:fs', 'portable'],
  ['models/config.ts', './weights-file.ts', 'portable-import'],
  ['training/engine.ts', '#onnxruntime', 'engine'],
  ['benchmark/engine.ts', 'onnxruntime-node', 'engine'],
  ['benchmark/other.ts', 'onnxruntime-web', 'engine'],
  ['core/tested.ts', '../../test/target.ts', 'outside'],
  ['report/nowhere.ts', './missing.ts', 'unresolved'],
];

/** Imports that every rule must let through. */
const allowed: readonly (readonly [file: string, imports: string])[] = [
  ['models/weights-file.ts', 'node:fs'],
  ['data/dataset-files.ts', 'node:fs'],
  ['energy/meter.ts', 'node:fs'],
  ['energy/stored.ts', '../models/weights-file.ts'],
  ['runtime/session.ts', '#onnxruntime'],
  ['cli/command.ts', '../core/target.ts'],
  ['cli/own.ts', './target.ts'],
  ['core/second.ts', './first.ts'],
  ['index.ts', './cli/target.ts'],
];

let root = '';
let found: { file: string; rule: string }[] = [];

function write(path: string, content: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'itera-layers-'));
  const folders = [...layers.flat(), 'utils'];
  for (const folder of folders) write(`src/${folder}/target.ts`, 'export interface Target {}\n');
  write('test/target.ts', 'export interface Target {}\n');
  for (const name of ['onnxruntime-node', 'onnxruntime-web']) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, main: 'index.js' }));
    write(`node_modules/${name}/index.js`, 'export const Target = 1;\n');
  }
  const { imports, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  write('package.json', JSON.stringify({ imports, dependencies, peerDependencies }));
  for (const [file, imports] of [...allowed, ...violations]) {
    write(`src/${file}`, `import type { Target } from '${imports}';\nexport type Mine = Target;\n`);
  }
  const { tsConfig, ...options } = configuration.options as ICruiseOptions;
  const ruleSet = { forbidden: configuration.forbidden } as IFlattenedRuleSet;
  const { output } = await cruise(['src'], { ...options, baseDir: root, validate: true, ruleSet });
  found = (output as ICruiseResult).summary.violations.map(({ from, rule }) => ({ file: from, rule: rule.name }));
}, 30_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('layers', () => {
  it.each(violations)('%s must not import %s: %s', (file, _imports, rule) => {
    expect(found).toContainEqual({ file: `src/${file}`, rule });
  });

  it.each(allowed)('%s may import %s', (file) => {
    expect(found.filter((violation) => violation.file === `src/${file}`)).toEqual([]);
  });

  it('has a place for every folder of src, each once', () => {
    const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const listed = layers.flat();
    expect(listed).toEqual(expect.arrayContaining(folders.map(({ name }) => name)));
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed).toEqual(expect.arrayContaining([...portable]));
  });
});
