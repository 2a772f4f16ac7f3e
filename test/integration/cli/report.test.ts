import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Tensor, tensor as tensorOf } from '../../../src/core/tensor.ts';
import { writeModelFolder } from '../../../src/models/model-folder-file.ts';
import { writeReport } from '../../../src/report/report-files.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { runValidation } from '../../../src/validation/run-validation.ts';
import { command } from './command-line.ts';

let dir: string;
/** Folders of reports: two runs of one model, one of the model in coarser weights, one of a smaller model. */
let again: string;
let first: string;
let coarse: string;

const at = (folder: string): string => join(folder, 'report.json');

async function validate(model: string, name: string): Promise<string> {
  const out = join(dir, name);
  const report = await runValidation(await openModel(model), {
    ...{ version: '1.2.3', datasets: [join(dir, 'tales.txt')], split: 'test', fullText: false, seed: 7, threads: 1 },
  });
  await writeReport(report, out);
  return out;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-report-'));
  const stories = await readFile(new URL('../../../texts/stories/test.txt', import.meta.url), 'utf8');
  const documents = stories.split('<|endoftext|>').slice(0, 24);
  await writeFile(join(dir, 'tales.txt'), documents.join('<|endoftext|>'));
  first = await validate('itera-lite-micro', 'first');
  again = await validate('itera-lite-micro', 'again');
  coarse = await validate(await writeCoarseModel(join(dir, 'itera-lite-micro')), 'coarse');
}, 120_000);
afterAll(() => rm(dir, { recursive: true }));

/** The bundled model with every matrix rounded to 15 levels a row, as four bits without any care would do. */
async function writeCoarseModel(path: string): Promise<string> {
  const folder = await openModel('itera-lite-micro');
  const weights = new Map(
    [...folder.weights].map(([name, tensor]): [string, Tensor] => {
      const columns = tensor.shape.at(-1) ?? 1;
      if (tensor.shape.length < 2 || columns < 16) return [name, tensor];
      const data = Float32Array.from(tensor.data as Float32Array);
      for (let row = 0; row < data.length; row += columns) {
        const values = data.subarray(row, row + columns);
        const step = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 7;
        if (step > 0) values.set(values.map((value) => Math.round(value / step) * step));
      }
      return [name, tensorOf('float32', tensor.shape, data)];
    }),
  );
  await writeModelFolder(path, { ...folder, weights });
  return path;
}

describe('itera-lite report', () => {
  it('writes the pages anew, the same as they were', async () => {
    const out = join(dir, 'copy');
    const { code, stdout, stderr } = await command('report', at(first), '--out', out);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const names = (await readdir(first, { recursive: true })).sort();
    expect((await readdir(out, { recursive: true })).sort()).toEqual(names);
    const files = names.filter((name) => name.includes('.'));
    expect(files).toEqual(expect.arrayContaining(['index.html', 'report.json', 'report.md']));
    for (const name of files) {
      expect(stdout).toContain(`${join(out, name)}\n`);
      expect(await readFile(join(out, name), 'utf8')).toBe(await readFile(join(first, name), 'utf8'));
    }
  });

  it('writes them beside the file by default, and lists them as JSON', async () => {
    const out = join(dir, 'beside');
    await command('report', at(first), '--out', out);
    await rm(join(out, 'index.html'));
    const { code, stdout } = await command('report', at(out), '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toContain(join(out, 'index.html'));
    expect(await readdir(out)).toContain('index.html');
  });

  it.each([
    ['text that is not JSON', '{"title":', /broken\.json: Expected a report as JSON/],
    [
      'JSON of another kind',
      '{"name": "itera-lite"}',
      /broken\.json: The report is invalid: \/schemaVersion is missing/,
    ],
  ])('refuses %s, names the file and writes nothing', async (_name, content, says) => {
    const path = join(dir, 'broken.json');
    await writeFile(path, content);
    const { code, stdout, stderr } = await command('report', path, '--out', join(dir, 'never'));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^RECORD_INVALID: /);
    expect(stderr).toMatch(says);
    expect(await readdir(dir)).not.toContain('never');
  });

  it.each<[string[], RegExp]>([
    [[], /Expected a report\.json to write the pages of, or --compare/],
    [['a.json', '--fail-on', 'regression'], /Expected --fail-on only with --compare/],
    [['a.json', '--min-change', '1'], /Expected --min-change only with --compare/],
    [['--compare', 'a.json'], /Expected --compare with two files, got 1/],
    [['--out', 'x', '--compare', 'a.json', 'b.json'], /nothing to write anew, got --out too/],
    [['a.json', '--compare', 'a.json', 'b.json'], /got "a\.json" too/],
    [['--false-discovery-rate', '1'], /Expected a number above 0 and below 1/],
    [['--fail-on', 'anything'], /Allowed choices are regression, change/],
  ])('is wrong usage: %j', async (args, says) => {
    const { code, stdout, stderr } = await command('report', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(says);
  });
});

describe('docs/report.md', () => {
  it('names only options that there are', async () => {
    const text = await readFile(new URL('../../../docs/report.md', import.meta.url), 'utf8');
    const lines = text.replace(/\\\n\s*/g, ' ').match(/itera-lite (?:report|run) .*/g) ?? [];
    expect(lines.length).toBeGreaterThanOrEqual(5);
    for (const line of lines) {
      const [, verb = ''] = line.split(' ');
      const { stdout } = await command(verb, '--help');
      for (const [option] of line.replace(/#.*/, '').matchAll(/--[a-z-]+/g)) expect(stdout).toContain(`  ${option}`);
    }
  });
});

describe('itera-lite report --compare', () => {
  it('finds no difference between two runs of the same', async () => {
    const { code, stdout } = await command('report', '--compare', at(first), at(again), '--fail-on', 'change');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Nothing changed significantly\.\n/);
  });

  it('finds the model with coarser weights, by the same documents in pairs', async () => {
    const { code, stdout, stderr } = await command(
      'report',
      '--compare',
      at(first),
      at(coarse),
      '--fail-on',
      'regression',
    );
    expect(code).toBe(3);
    expect(stderr).toMatch(/^GATE_REFUSED: Regressed: itera-lite-micro\/bits_per_byte\//);
    expect(stdout).toMatch(/Bits per byte .* regressed .*in pairs, p/);
    expect(stdout).toContain('Files that differ: model/model.safetensors.');
    const back = await command('report', '--compare', at(coarse), at(first), '--fail-on', 'regression');
    expect(back.code).toBe(0);
    expect(back.stdout).toMatch(/Bits per byte .* improved /);
  });

  it('finds the smaller of two models, matched without their names', async () => {
    const larger = await validate('itera-lite-tiny', 'larger');
    const { code, stdout } = await command(
      'report',
      '--compare',
      at(larger),
      at(first),
      '--json',
      '--fail-on',
      'regression',
    );
    expect(code).toBe(3);
    const { changes, notes, counts } = JSON.parse(stdout);
    const verdicts = Object.fromEntries(
      changes.map(({ metric, verdict }: { metric: string; verdict: string }) => [metric, verdict]),
    );
    expect(verdicts).toMatchObject({ bits_per_byte: 'regressed', size_bytes: 'improved', parameters: 'changed' });
    expect(counts.regressed).toBeGreaterThan(0);
    expect(notes.join(' ')).toContain('model itera-lite-tiny before and itera-lite-micro after');
  }, 60_000);

  it('writes Markdown and JUnit XML, also where it exits with 3', async () => {
    const [markdown, junit] = [join(dir, 'new', 'comment.md'), join(dir, 'junit.xml')];
    const given = ['--markdown', markdown, '--junit', junit, '--fail-on', 'regression'];
    const { code } = await command('report', '--compare', at(first), at(coarse), ...given);
    expect(code).toBe(3);
    expect(await readFile(markdown, 'utf8')).toMatch(/^## Itera-Lite: \d regressed/);
    expect(await readFile(junit, 'utf8')).toContain('<failure type="regression"');
  });

  it('compares what evaluate --json prints too, and prints all on demand', async () => {
    const path = join(dir, 'evaluated.json');
    const given = ['--model', 'itera-lite-micro', '--dataset', join(dir, 'tales.txt'), '--threads', '1'];
    await writeFile(path, (await command('evaluate', ...given, '--json')).stdout);
    const { code, stdout } = await command('report', '--compare', path, at(first), '--all');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Bits per byte .* no significant difference/);
    expect(stdout).toMatch(/^Only after: itera-lite-micro\/parameters/m);
  });

  it('refuses files that have nothing in common', async () => {
    const { provenance } = JSON.parse(await readFile(at(first), 'utf8'));
    const path = join(dir, 'empty.json');
    await writeFile(path, JSON.stringify({ schemaVersion: 1, provenance, records: [] }));
    const { code, stderr } = await command('report', '--compare', path, at(first));
    expect(code).toBe(2);
    expect(stderr).toMatch(/^INVALID_ARGUMENT: Expected two files with numbers of the same things/);
  });
});
