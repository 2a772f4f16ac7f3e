import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requirement } from '../../requirements.ts';
import { readBlocks, replaceValues } from './markdown-blocks.ts';
import { checkTypes, makePackage } from './package-folder.ts';
import { createPageRunner, type PageRunner } from './page-runner.ts';

/** What the runner does something with; a diagram is left to whoever draws it. */
const known = ['sh', 'ts', 'js', 'json', 'text', 'diff', 'html', 'mermaid'];

/** Declares the tests of pages whose reader has the package and starts in an empty folder. */
export function testGuides(paths: readonly string[]): void {
  const base = mkdtempSync(join(tmpdir(), 'itera-docs-package-'));
  const packageFolder = join(base, 'itera-lite');
  beforeAll(() => makePackage(packageFolder), 60_000);
  afterAll(() => rmSync(base, { recursive: true, force: true }));
  describe.each(paths)('%s', (path) => testPage(path, packageFolder));
}

/**
 * Declares the tests of a page: one for each of its blocks that can be run, in order.
 *
 * @param packageFolder - What `makePackage` made; absent for pages whose reader works on this repository itself.
 */
export function testPage(path: string, packageFolder?: string): void {
  const blocks = readBlocks(readFileSync(path, 'utf8'));
  const left = blocks.filter(({ notes }) => notes.notRun !== undefined);
  const run = blocks.filter((block) => !left.includes(block));
  let page: PageRunner;
  beforeAll(async () => {
    page = await createPageRunner(packageFolder);
  });
  afterAll(() => page.close());

  it(`has ${run.length} blocks that are executed, ${left.length} that are not: ${left.map(({ notes }) => notes.notRun).join('; ')}`, () => {
    expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
    // A reader sees neither the fence's second word nor comments: the text says what to save where.
    for (const { file, lead } of blocks) if (file !== undefined) expect(lead).toContain(`\`${file}\``);
    expect(blocks.length).toBeGreaterThan(0);
  });

  for (const block of run) {
    const needsChromium = block.notes.shownBy !== undefined && !requirement('chromium').available;
    it.skipIf(needsChromium)(`line ${block.line}: ${block.language}`, { timeout: 120_000 }, async () => {
      await expect(page.run(block)).resolves.toBeUndefined();
    });
  }

  const typed = run.filter(({ language }) => language === 'ts');
  if (typed.length === 0) return;
  it(`has ${typed.length} blocks of TypeScript without a fault`, { timeout: 60_000 }, () => {
    const names = typed.map(({ file, line }) => file ?? `line-${line}.mts`);
    expect(typed.map(replaceValues).join('')).not.toBe('');
    expect(checkTypes(page.folder, names)).toEqual([]);
  });
}
