import { describe, expect, it } from 'vitest';
import { compareFacts, listFacts } from '../../../src/core/run-facts.ts';

describe('listFacts', () => {
  it('names each plain value by the way to it, whatever order fields have', () => {
    const recipe = { steps: 10, model: { layers: ['mamba', 'attention'] }, mixture: [{ dataset: 'a', weight: 0.5 }] };
    const facts = {
      steps: '10',
      'model.layers': '["mamba","attention"]',
      'mixture.0.dataset': '"a"',
      'mixture.0.weight': '0.5',
    };
    expect(listFacts(recipe)).toEqual(facts);
    expect(listFacts(Object.fromEntries(Object.entries(recipe).reverse()))).toEqual(facts);
  });

  it('leaves out what is undefined, and puts a name before all', () => {
    expect(listFacts({ a: undefined, b: null }, 'rounding')).toEqual({ 'rounding.b': 'null' });
    expect(listFacts(3, 'rounding')).toEqual({ rounding: '3' });
  });
});

describe('compareFacts', () => {
  it('finds nothing where all is equal', () => {
    expect(compareFacts({ a: '1', b: '2' }, { b: '2', a: '1' })).toEqual({ names: [], text: '' });
  });

  it('says what differs, hashes by their beginning', () => {
    const before = { steps: '50', seed: '1', text: 'b'.repeat(64), same: 'x' };
    expect(compareFacts(before, { steps: '100', text: 'a'.repeat(64), same: 'x' })).toEqual({
      names: ['steps', 'seed', 'text'],
      text: 'steps (50, now 100), seed (1, now none), text (bbbbbbbbbbbb..., now aaaaaaaaaaaa...)',
    });
  });

  it('shows of long values the part that differs', () => {
    const [before, now] = [`${'m'.repeat(100)}A${'n'.repeat(100)}`, `${'m'.repeat(100)}B`];
    const { text } = compareFacts({ layers: before }, { layers: now });
    expect(text).toBe(`layers (...${'m'.repeat(10)}A${'n'.repeat(49)}..., now ...${'m'.repeat(59)}B)`);
  });
});
