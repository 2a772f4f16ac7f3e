import { describe, expect, it } from 'vitest';
import { findMissingLine, readBlocks, replaceValues } from '../../integration/docs/markdown-blocks.ts';

const page = (...lines: string[]) => lines.join('\n');

describe('readBlocks', () => {
  it('finds blocks with their file, line, notes and the paragraph before', () => {
    const blocks = readBlocks(
      page(
        'Save',
        'as `a.json`:',
        '',
        '```json a.json',
        '{}',
        '```',
        '',
        '<!-- in CI: ends with 3 -->',
        '```sh',
        'x',
        '```',
      ),
    );
    expect(blocks).toEqual([
      {
        ...{ language: 'json', file: 'a.json', line: 4, text: '{}\n', lead: 'Save\nas `a.json`:' },
        notes: { exitCode: 0, replacements: [] },
      },
      expect.objectContaining({ language: 'sh', line: 9, notes: { exitCode: 3, replacements: [] } }),
    ]);
  });

  it('refuses what would go unheard', () => {
    expect(() => readBlocks(page('```sh', 'x'))).toThrow('Line 1: the block is never closed.');
    expect(() => readBlocks(page('<!-- in CI: faster -->', '```sh', 'x', '```'))).toThrow('"faster" is no note');
    expect(() => readBlocks(page('<!-- in CI: ends with 3 -->', 'text'))).toThrow('expected the block');
    expect(() => readBlocks('<!-- in CI: ends with 3 -->')).toThrow('is said of no block');
  });
});

describe('replaceValues', () => {
  const block = (note: string) => readBlocks(page(`<!-- in CI: ${note} -->`, '```sh', 'a --steps 600', '```'))[0]!;

  it('puts smaller values in place, and refuses those that are not there', () => {
    expect(replaceValues(block('--steps 600 => --steps 4'))).toBe('a --steps 4\n');
    expect(() => replaceValues(block('--steps 700 => --steps 4'))).toThrow('no "--steps 700" to replace');
  });
});

describe('findMissingLine', () => {
  it('takes other numbers and widths for the same', () => {
    expect(findMissingLine('│ a │ 1.5 [1, 2] │', 'x\n│ a     │      0.25 [0.1, 0.3] │\n')).toBeUndefined();
    expect(findMissingLine('step 3: 1,024 of -0.5%', 'step 12: 7 of +2%')).toBeUndefined();
    expect(findMissingLine('step 3', 'steps 3')).toBe('step 3');
  });

  it('wants all lines, in order', () => {
    expect(findMissingLine('a\n…\nb', 'a\nx\nb')).toBeUndefined();
    expect(findMissingLine('b\na', 'a\nb')).toBe('a');
    expect(findMissingLine('int4', 'int8')).toBe('int4');
  });

  it('lets the rest of a line be open where the page says so', () => {
    expect(findMissingLine('{"id":"cmpl-…', '{"id":"cmpl-46e179ba"}')).toBeUndefined();
    expect(findMissingLine('{"id":"cmpl-', '{"id":"cmpl-46e179ba"}')).toBe('{"id":"cmpl-');
  });
});
