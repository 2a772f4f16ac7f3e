import { describe, expect, it } from 'vitest';
import {
  type CandidateMeasurements,
  judgeEvidence,
  passesEvidence,
} from '../../../src/adaptation/candidate/candidate-evidence.ts';
import { compareExamples } from '../../../src/adaptation/candidate/held-out.ts';

const learning = { step: 10, points: [], rows: { wanted: 20, unwanted: 20, replay: 100 } };
const sound: CandidateMeasurements = {
  heldOut: { examples: 40, lossDifference: { value: -0.5, interval: [-0.6, -0.4] } },
  base: [{ text: 'stories', documents: 60, bitsPerByte: [1, 1.001], ratio: { value: 1.001, interval: [1, 1.002] } }],
  notRun: [{ text: 'tinystories', reason: 'it is not there' }],
  variants: [{ variant: 'int8', passed: true, sentence: 'int8 is fine.' }],
  latency: { value: 1, interval: [0.99, 1.01], rounds: 15 },
};
const decide = (change: Partial<CandidateMeasurements>) =>
  passesEvidence(judgeEvidence({ learning, measured: { ...sound, ...change } }));
const base = (ratio: CandidateMeasurements['base'][number]['ratio']) => [
  { text: 'stories', documents: 60, bitsPerByte: [1, 1] as const, ratio },
];

describe('judgeEvidence', () => {
  it('passes what holds in every respect, in sentences', () => {
    const findings = judgeEvidence({ learning, measured: sound });
    expect(passesEvidence(findings)).toBe(true);
    expect(findings.map(({ name }) => name)).toEqual(['heldOut', 'base', 'variants', 'latency']);
    expect(findings[0]?.sentence).toBe(
      'Held-out feedback is significantly better: -0.500 [-0.600, -0.400] nats a token over 40 examples.',
    );
    expect(findings[1]?.sentence).toContain('+0.10% [+0.00%, +0.20%]');
  });

  it.each<[string, Partial<CandidateMeasurements>]>([
    [
      'held-out feedback that may be no better',
      { heldOut: { examples: 40, lossDifference: { value: -0.1, interval: [-0.3, 0] } } },
    ],
    ['held-out feedback without an interval', { heldOut: { examples: 4, lossDifference: { value: -0.5 } } }],
    ['base text that may be more than 2% worse', { base: base({ value: 1.01, interval: [1, 1.0201] }) }],
    ['base text without an interval', { base: base({ value: 1 }) }],
    ['no base text at all', { base: [] }],
    ['a variant beyond its bound', { variants: [{ variant: 'int4', passed: false, sentence: 'int4 is not.' }] }],
    ['a slower model', { latency: { value: 1.06, interval: [1.05, 1.07], rounds: 15 } }],
  ])('does not pass %s', (_, change) => {
    expect(decide(change)).toBe(false);
  });

  it('does not pass what learnt nothing', () => {
    const findings = judgeEvidence({ learning });
    expect(findings).toMatchObject([{ name: 'learning', passed: false }]);
    expect(passesEvidence(findings)).toBe(false);
  });
});

describe('compareExamples', () => {
  const loss = (wantedNats: number, unwantedNats: number) => ({
    ...{ wantedNats, wantedTokens: 10, unwantedNats, unwantedTokens: unwantedNats > 0 ? 5 : 0 },
    loss: wantedNats / 10,
  });

  it('gives ratio, factor and difference, each paired', () => {
    const before = Array.from({ length: 20 }, (_, at) => loss(10 + at, at % 2 === 0 ? 2 : 0));
    const after = before.map(({ wantedNats, unwantedNats }) =>
      loss(wantedNats / 2, unwantedNats > 0 ? unwantedNats + Math.LN2 : 0),
    );
    const { examples, lossDifference, wantedRatio, unwantedFactor } = compareExamples(before, after, 1);
    expect(examples).toBe(20);
    expect(lossDifference.value).toBeCloseTo(-19.5 / 20, 10);
    expect(lossDifference.interval?.[1]).toBeLessThan(-0.8);
    expect(wantedRatio?.value).toBeCloseTo(0.5, 10);
    expect(wantedRatio?.interval?.[0]).toBeCloseTo(0.5, 10);
    expect(unwantedFactor?.value).toBeCloseTo(0.5, 10);
  });

  it('gives no interval for few examples, and nothing for what there is none of', () => {
    const few = compareExamples([loss(10, 0)], [loss(5, 0)], 1);
    expect(few.lossDifference).toEqual({ value: -0.5 });
    expect(few.unwantedFactor).toBeUndefined();
  });
});
