import { type Conditions, type MeasurementRecord, type Metric, recordId } from '../../../src/core/measurement.ts';
import type { Report } from '../../../src/report/report.ts';

/** A record as a test needs it. All numbers in this file are made up. */
export function value(
  metric: Metric,
  unit: string,
  amount: number,
  conditions: Conditions,
  more: { interval?: [number, number]; status?: 'measured' | 'estimated'; n?: number } = {},
): MeasurementRecord {
  const { interval, status = 'measured', n = 62 } = more;
  return {
    id: recordId('micro', metric, conditions),
    subject: 'micro',
    metric,
    unit,
    value: amount,
    method: 'made up',
    conditions,
    status,
    n,
    ...(interval === undefined ? {} : { interval, confidence: 0.95 }),
  };
}

/** A record of something that could not be measured. */
export function missing(metric: Metric, unit: string, reason: string, conditions: Conditions): MeasurementRecord {
  const id = recordId('micro', metric, conditions);
  return { id, subject: 'micro', metric, unit, method: 'made up', conditions, status: 'notRun', reason };
}

const articles = { dataset: 'articles', split: 'test' };
const stories = { dataset: 'stories', split: 'test' };
const wikitext = { dataset: 'wikitext-2', split: 'test', variant: 'fp32' };
const absent = 'wikitext-2 was not found on this machine';

const records: MeasurementRecord[] = [
  ...['fp32', 'int8', 'int4'].flatMap((variant, index) =>
    [articles, stories].flatMap((text, place) => {
      const conditions = { ...text, variant };
      const bits = 1.8 - 0.6 * place + 0.01 * index ** 3;
      return [
        value('bits_per_byte', 'bits/byte', bits, conditions, { interval: [bits - 0.031, bits + 0.034] }),
        value('word_perplexity', '1', 61.234 * (1 + index / 50), conditions, { interval: [57.1, 66.2] }),
        value('token_perplexity', '1', 24.519 * (1 + index / 70), conditions),
        value('nats_per_token', 'nats/token', 3.19947 + index / 70, conditions, { interval: [3.11, 3.29] }),
        ...(index === 0
          ? []
          : [
              value('perplexity_ratio', '1', 1 + index ** 3 / 300, conditions, {
                interval: [1 + index ** 3 / 400, 1 + index ** 3 / 200],
              }),
              value('top1_agreement', '1', 1 - index ** 3 / 100, conditions),
            ]),
      ];
    }),
  ),
  missing('bits_per_byte', 'bits/byte', absent, wikitext),
  missing('word_perplexity', '1', absent, wikitext),
  value('size_bytes', 'bytes', 1_174_624, { variant: 'fp32' }, { n: 1 }),
  value('size_bytes', 'bytes', 302_104, { variant: 'int8' }, { n: 1 }),
  value('size_bytes', 'bytes', 171_500, { variant: 'int4' }, { n: 1 }),
  value('tokens_per_second', 'tokens/s', 2215.3, { variant: 'fp32', threads: 1 }, { interval: [2190.2, 2240.8], n: 5 }),
  value('tokens_per_second', 'tokens/s', 3804.1, { variant: 'fp32', threads: 2 }, { interval: [3750.5, 3850.9], n: 5 }),
  value('energy_j_per_token', 'J/token', 0.00213, { variant: 'fp32' }, { status: 'estimated', n: 5 }),
  missing('energy_j_per_token', 'J/token', 'no meter for energy was found', { variant: 'int4' }),
];

/** A report with something in every part of it. */
export const exampleReport: Report = {
  schemaVersion: 1,
  kind: 'validation',
  title: 'Validation of micro',
  provenance: {
    createdAt: '2026-01-02T03:04:05Z',
    iteraLite: '0.0.1',
    node: '20.20.2',
    onnxruntime: '1.30.0',
    platform: 'linux x64',
    cpu: 'Example CPU',
    cpuCount: 2,
    memoryBytes: 8_589_934_592,
    threads: 2,
    seed: 1,
    hashes: { 'model.safetensors': 'a'.repeat(64) },
  },
  model: {
    name: 'micro',
    description: 'a state-space model with a mixture of experts.',
    parameters: 293_656,
    activeParameters: 201_112,
    parametersWithoutEmbedding: 162_584,
    facts: { Layers: '4 mamba, 1 attention' },
  },
  records,
  samples: [
    {
      model: 'micro',
      prompt: 'Once upon a time',
      text: ' a fox\nfound a * door.',
      seed: 1,
      temperature: 0.8,
      topP: 0.95,
    },
  ],
  curves: [
    {
      name: 'training',
      unit: 'nats/token',
      points: Array.from({ length: 60 }, (_, index) => ({ step: index * 10, value: 3.2 + 4 * 0.92 ** index })),
    },
    {
      name: 'validation',
      unit: 'nats/token',
      points: Array.from({ length: 7 }, (_, index) => ({ step: index * 100, value: 3.3 + 4 * 0.44 ** index })),
    },
  ],
  protocol: [{ name: 'Context', text: 'Every token is scored once, with up to 512 tokens before it.' }],
  findings: ['Every compressed variant stays within its bound.'],
};
