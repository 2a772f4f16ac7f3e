import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  checkListing,
  checkText,
  measureParts,
  type PackedFile,
  packedLimitBytes,
  parts,
} from '../../../scripts/package-parts/contents.ts';

/** A listing that may be published. */
const good: readonly PackedFile[] = [
  ...['dist/web/index.html', 'dist/web/dashboard.html', 'dist/web/browser.html', 'dist/web/assets/a.wasm'],
  ...['dist/index.js', 'dist/index.d.ts', 'dist/training/shard-worker-file.js', 'migrations/meta/_journal.json'],
  ...['python/torchscript_runner.py', 'recipes/itera-lite-micro.json', 'models/itera-lite-small/model.safetensors'],
  ...['texts/stories/test.txt', 'texts/LICENSE', 'schemas/report.schema.json', 'LICENSE', 'README.md', 'package.json'],
].map((path) => ({ path, size: 1000 }));

describe('checkListing', () => {
  it('finds nothing wrong with what may be published', () => {
    expect(checkListing(good, packedLimitBytes)).toEqual([]);
  });

  it.each(['dist/web/index.html', 'models/itera-lite-small/model.safetensors', 'LICENSE'])('misses %s', (path) => {
    const listing = good.filter((file) => file.path !== path);
    expect(checkListing(listing, 1)).toEqual([`${path} is missing.`]);
  });

  it.each([
    'dist/index.js.map',
    'models/itera-lite-small/onnx/model_q4.onnx',
    'models/itera-lite-micro-transformer/model.safetensors',
    'secrets/database-password',
    'test/setup.ts',
    'dist/core/tensor.test.js',
    '.env',
    'notes.md',
  ])('refuses %s', (path) => {
    const faults = checkListing([...good, { path, size: 1 }], 1);
    expect(faults.length).toBeGreaterThan(0);
    for (const fault of faults) expect(fault).toContain(path);
  });

  it.each(parts)('holds $name to its budget', ({ name, limitBytes, pattern }) => {
    const { path = '' } = good.find((file) => pattern.test(file.path)) ?? {};
    const sized = (size: number) => good.map((file) => (file.path === path ? { path, size } : file));
    const others = (measureParts(good).get(name) ?? 0) - 1000;
    expect(checkListing(sized(limitBytes - others), 1)).toEqual([]);
    expect(checkListing(sized(limitBytes - others + 1), 1)).toEqual([
      `${name}: ${limitBytes + 1} bytes, of at most ${limitBytes}.`,
    ]);
  });

  it('holds the packed file to its budget', () => {
    const bytes = packedLimitBytes + 1;
    expect(checkListing(good, bytes)).toEqual([`packed: ${bytes} bytes, of at most ${packedLimitBytes}.`]);
  });
});

describe('checkText', () => {
  it.each([
    ['a private key', '-----BEGIN RSA PRIVATE KEY-----\n'],
    ['an access token', `const token = 'hf_${'a1'.repeat(17)}';`],
    ['the address of a source map', 'export {};\n//# sourceMappingURL=index.js.map\n'],
    ['a path of this machine', 'opened /home/someone/project/src/index.ts'],
  ])('finds %s', (what, text) => {
    expect(checkText('dist/index.js', text, ['/home/someone'])).toEqual([
      expect.stringMatching(new RegExp(`^dist/index\\.js holds ${what}`)),
    ]);
  });

  it('lets other text be', () => {
    const text = "import './home.js'; // itera_lite, hf_short, see /home/other and sourceMappingURL=";
    expect(checkText('dist/index.js', text, ['/home/someone'])).toEqual([]);
  });
});

describe('docs/package.md', () => {
  it('states the budgets that are checked', () => {
    const rows = readFileSync('docs/package.md', 'utf8').matchAll(/^\| ([\w ]+) \| ([\d.]+) \|/gm);
    const stated = [...rows].map(([, name, megabytes]) => [name, Number(megabytes) * 1e6]);
    const budgets = parts.map(({ name, limitBytes }) => [name, limitBytes]);
    expect(stated).toEqual([...budgets, ['packed', packedLimitBytes]]);
  });
});
