import { describe, expect, it } from 'vitest';
import { type Conditions, type MeasurementRecord, recordId } from '../../../src/core/measurement.ts';
import { comparisonRecords, unmeasuredVariant } from '../../../src/evaluation/comparison-records.ts';
import { defaultBounds } from '../../../src/evaluation/degradation-bounds.ts';
import { type GateVerdict, judgeVariants, passesGate } from '../../../src/evaluation/gate.ts';
import type { ComparedDocument } from '../../../src/evaluation/variant-comparison.ts';

/** A ratio as a comparison records it. All numbers in this file are made up. */
function ratioOf(
  variant: string,
  value: number,
  interval: readonly [number, number] | undefined,
  conditions: Conditions = { dataset: 'tinystories' },
  more: { readonly confidence?: number | undefined; readonly status?: 'estimated'; readonly subject?: string } = {},
): MeasurementRecord {
  const { confidence = 0.95, status = 'measured', subject = 'toy' } = more;
  const all = { ...conditions, variant };
  return {
    id: recordId(subject, 'perplexity_ratio', all),
    subject,
    metric: 'perplexity_ratio',
    unit: '1',
    value,
    n: 62,
    method: 'made up',
    conditions: all,
    status,
    ...(interval && { interval, ...('confidence' in more && more.confidence === undefined ? {} : { confidence }) }),
  };
}

const judgeOne = (record: MeasurementRecord, bounds = defaultBounds): GateVerdict => {
  const verdicts = judgeVariants([record], bounds);
  expect(verdicts).toHaveLength(1);
  return verdicts[0] as GateVerdict;
};

describe('judgeVariants', () => {
  it('says what holds, in a sentence', () => {
    expect(judgeOne(ratioOf('int4', 1.021, [1.018, 1.024]))).toEqual({
      subject: 'toy',
      variant: 'int4',
      dataset: 'tinystories',
      bound: 0.2,
      ratio: 1.021,
      interval: [1.018, 1.024],
      passed: true,
      finding: 'within',
      sentence: 'int4 is 2.1% [1.8%, 2.4%] worse than fp32 on tinystories: within 20%.',
    });
  });

  it.each<[string, number, [number, number], boolean, string]>([
    ['int8', 1.025, [1.018, 1.031], false, '2.5% [1.8%, 3.1%] worse than fp32 on tinystories: beyond 2%.'],
    [
      'int8',
      1.015,
      [1.008, 1.024],
      false,
      '1.5% [0.8%, 2.4%] worse than fp32 on tinystories: not shown to be within 2%.',
    ],
    ['fp16', 0.9999, [0.9996, 1.0001], true, '0.01% [-0.01%, 0.04%] better than fp32 on tinystories: within 1%.'],
    ['fp16', 1, [1, 1], true, '0.00% [0.00%, 0.00%] worse than fp32 on tinystories: within 1%.'],
    ['q4f16', 1.1, [1.01, 1.199], true, '10.0% [1.0%, 19.9%] worse than fp32 on tinystories: within 20%.'],
    ['mixed', 9, [7, 12], false, '800% [600%, 1100%] worse than fp32 on tinystories: beyond 20%.'],
    // Rounded to whole percents, the upper end would seem to lie at the bound.
    ['int4', 1.1, [1.0, 1.1999], true, '10.00% [0.00%, 19.99%] worse than fp32 on tinystories: within 20%.'],
  ])('judges %s at %d %j: %s', (variant, value, interval, passed, end) => {
    const verdict = judgeOne(ratioOf(variant, value, interval));
    expect(verdict.passed).toBe(passed);
    expect(verdict.finding).toBe(passed ? 'within' : 'beyond');
    expect(verdict.sentence).toBe(`${variant} is ${end}`);
  });

  it('passes an upper end just below the bound, and none at it', () => {
    const below = 1.02 - 2 ** -50;
    expect(judgeOne(ratioOf('int8', 1.01, [1, below])).passed).toBe(true);
    expect(judgeOne(ratioOf('int8', 1.01, [1, 1.02]))).toMatchObject({
      passed: false,
      sentence: 'int8 is 1% [0%, 2%] worse than fp32 on tinystories: not shown to be within 2%.',
    });
    expect(judgeOne(ratioOf('int8', 1.01, [1, 1.02 + 2 ** -50])).passed).toBe(false);
  });

  it('judges by the upper end, however good the ratio itself is', () => {
    expect(judgeOne(ratioOf('int8', 0.5, [0.1, 1.5])).passed).toBe(false);
  });

  it.each<[string, MeasurementRecord, RegExp]>([
    ['no interval', ratioOf('int8', 1, undefined), /ratio of 1 has no interval \(made up\); give a longer text\.$/],
    ['a ratio that is none', ratioOf('int8', Number.NaN, [1, 1]), /ratio is NaN\.$/],
    ['a ratio of 0', ratioOf('int8', 0, [0, 0]), /ratio is 0\.$/],
    ['an infinite ratio', ratioOf('int8', Number.POSITIVE_INFINITY, [1, 1]), /ratio is Infinity\.$/],
    ['no upper end', ratioOf('int8', 1, [1, Number.NaN]), /interval of its perplexity ratio is \[1, NaN\]\.$/],
    ['no lower end', ratioOf('int8', 1, [Number.NaN, 1]), /\[NaN, 1\]/],
    ['an upper end of minus infinity', ratioOf('int8', 1, [1, Number.NEGATIVE_INFINITY]), /-Infinity/],
    ['reversed ends', ratioOf('int8', 1, [1.01, 0.99]), /\[1.01, 0.99\]/],
    ['a narrow interval', ratioOf('int8', 1, [1, 1], {}, { confidence: 0.5 }), /does not cover 95%/],
    ['an interval of unknown coverage', ratioOf('int8', 1, [1, 1], {}, { confidence: undefined }), /does not cover/],
    ['an estimate', ratioOf('int8', 1, [1, 1], {}, { status: 'estimated' }), /only estimated/],
    ['no bound', ratioOf('int2', 1, [1, 1]), /no bound is set for it/],
    ['a name that every object has', ratioOf('constructor', 1, [1, 1]), /no bound is set for it/],
  ])('never passes %s', (_, record, reason) => {
    expect(judgeOne(record)).toMatchObject({
      passed: false,
      finding: 'unjudged',
      sentence: expect.stringMatching(reason),
    });
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('never passes a bound of %d', (int8) => {
    expect(judgeOne(ratioOf('int8', 1, [1, 1]), { ...defaultBounds, int8 } as typeof defaultBounds).passed).toBe(false);
  });

  it('takes bounds of the caller', () => {
    const record = ratioOf('int4', 1.05, [1.04, 1.06]);
    expect(judgeVariants([record], { int4: 0.07 })[0]).toMatchObject({ passed: true, bound: 0.07 });
    expect(judgeVariants([record], { int4: 0.055 })[0]?.sentence).toMatch(/not shown to be within 5.5%\.$/);
    expect(judgeVariants([record], { int4: 0 })[0]?.sentence).toMatch(/beyond 0%\.$/);
  });

  it('gives the reason why something was not measured', () => {
    const about = { subject: 'toy', conditions: { dataset: 'wikitext-2', split: 'test' } };
    const verdicts = judgeVariants(unmeasuredVariant('int4', about, 'The file was cut short.'), defaultBounds);
    expect(verdicts).toEqual([
      {
        subject: 'toy',
        variant: 'int4',
        dataset: 'wikitext-2',
        split: 'test',
        bound: 0.2,
        passed: false,
        finding: 'unjudged',
        sentence: 'int4 cannot be judged on wikitext-2/test: The file was cut short.',
      },
    ]);
  });

  it('judges every variant on every text of every model, and misses those that were left out', () => {
    const [stories, articles] = [{ dataset: 'stories', split: 'test' }, { dataset: 'articles' }];
    const records = [
      ratioOf('int8', 1.001, [1, 1.002], stories),
      ratioOf('int4', 1.01, [1, 1.02], stories),
      ratioOf('int8', 1.001, [1, 1.002], articles),
      ratioOf('int8', 1.5, [1.4, 1.6], stories, { subject: 'other' }),
    ];
    const verdicts = judgeVariants(records, defaultBounds);
    const summary = verdicts.map(({ subject, variant, dataset, finding }) => [subject, variant, dataset, finding]);
    expect(summary).toEqual([
      ['toy', 'int8', 'stories', 'within'],
      ['toy', 'int8', 'articles', 'within'],
      ['toy', 'int4', 'stories', 'within'],
      ['toy', 'int4', 'articles', 'unjudged'],
      ['other', 'int8', 'stories', 'beyond'],
    ]);
    expect(verdicts[3]?.sentence).toBe('int4 cannot be judged on articles: it was not compared.');
  });

  it('judges just the variants asked for, also those that no record names', () => {
    const records = [ratioOf('int8', 1.001, [1, 1.002]), ratioOf('int4', 2, [2, 2])];
    const verdicts = judgeVariants(records, defaultBounds, { variants: ['int8', 'mixed', 'fp32'] });
    expect(verdicts.map(({ variant, finding }) => [variant, finding])).toEqual([
      ['int8', 'within'],
      ['mixed', 'unjudged'],
    ]);
  });

  it('misses the text where a variant has a size and nothing was measured', () => {
    const size = { ...ratioOf('int4', 1000, undefined, {}), metric: 'size_bytes' as const };
    expect(judgeOne(size).sentence).toBe('int4 cannot be judged: no text was measured.');
  });

  it('judges every ratio there is for one variant and text', () => {
    const verdicts = judgeVariants(
      [
        ratioOf('int8', 1, [1, 1], { dataset: 'stories', threads: 1 }),
        ratioOf('int8', 2, [2, 2], { dataset: 'stories', threads: 2 }),
      ],
      defaultBounds,
    );
    expect(verdicts.map(({ passed }) => passed)).toEqual([true, false]);
    expect(passesGate(verdicts)).toBe(false);
  });
});

describe('passesGate', () => {
  it('needs every verdict, and at least one', () => {
    const good = judgeOne(ratioOf('int8', 1, [1, 1.001]));
    const bad = judgeOne(ratioOf('int8', 1.5, [1.4, 1.6]));
    expect(passesGate([good, good])).toBe(true);
    expect(passesGate([good, bad])).toBe(false);
    expect(passesGate([])).toBe(false);
    expect(passesGate(judgeVariants([], defaultBounds))).toBe(false);
  });
});

describe('the gate on a single document', () => {
  const about = { subject: 'toy', conditions: { dataset: 'one.txt' }, method: 'scored once', seed: 1 };
  const documentOf = (blocks: number, worse: number): ComparedDocument => ({
    tokens: 64 * blocks,
    bytes: 256 * blocks,
    words: 32 * blocks,
    blockNats: [0, worse].map((more) => Float64Array.from({ length: blocks }, (_, at) => 128 + more * (1 + (at % 3)))),
    divergences: [new Float32Array(64 * blocks)],
    blockAgreements: [new Uint8Array(blocks).fill(64)],
  });
  const judgeDocument = (document: ComparedDocument) => {
    const records = comparisonRecords({ variants: ['fp32', 'int8'], documents: [document] }, about);
    return judgeVariants(records, defaultBounds);
  };

  it('judges by blocks of a long one', () => {
    expect(judgeDocument(documentOf(30, 0.1))).toMatchObject([{ passed: true, finding: 'within' }]);
    expect(judgeDocument(documentOf(30, 3))).toMatchObject([{ passed: false, finding: 'beyond' }]);
  });

  it('does not judge a short one, even of a candidate that changes nothing', () => {
    const [verdict] = judgeDocument(documentOf(9, 0));
    expect(verdict).toMatchObject({ passed: false, finding: 'unjudged', ratio: 1 });
    expect(verdict?.sentence).toMatch(/only 1 document and 9 blocks of 64 tokens.*give a longer text\.$/);
  });
});
