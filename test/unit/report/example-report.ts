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

/** A report of a model without a gate, of which not all could be measured. */
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

const median = (amount: number, spread: number, samples: readonly number[]): Partial<MeasurementRecord> => ({
  ...{ interval: [amount - spread, amount + spread], confidence: 0.95, n: samples.length, samples },
});

/** Records of one side of a benchmark. */
function sideRecords(runtime: string, variant: string, factor: number): MeasurementRecord[] {
  const side = { runtime, runtimeVersion: '1.2.3', variant, threads: 1, batch: 1 };
  const pass = { ...side, sequenceLength: 128 };
  const samples = [1.91, 1.97, 2.02, 2.04, 2.31].map((sample) => sample * factor);
  return [
    { ...value('latency_ms', 'ms', 2.02 * factor, pass), ...median(2.02 * factor, 0.25 * factor, samples) },
    ...(['mean', 'standard deviation', 'p90', 'p99'] as const).map((statistic, index) =>
      value('latency_ms', 'ms', (2.2 + index / 3) * factor, { ...pass, statistic }),
    ),
    value('tokens_per_second', 'tokens/s', 61_000 / factor, { ...pass, phase: 'prefill' }),
    value('tokens_per_second', 'tokens/s', 4_100 / factor, { ...side, sequenceLength: 64, phase: 'decode' }),
    value('load_ms', 'ms', 27.3 * factor, side),
    value('time_to_first_token_ms', 'ms', 1.4 * factor, { ...side, sequenceLength: 64 }),
    value('memory_bytes', 'bytes', 145_874_944, side),
  ] as MeasurementRecord[];
}

/** Records of a load of one number of clients. */
function loadOf(concurrency: number, failed: number): MeasurementRecord[] {
  const load = { variant: 'fp32', concurrency };
  return [
    ...['median', 'p95', 'p99'].map((statistic, index) =>
      value('latency_ms', 'ms', 9.3 * concurrency * (1 + index), { ...load, statistic }),
    ),
    value('tokens_per_second', 'tokens/s', 2738.5, load),
    value('failed_requests', 'requests', failed, load),
  ];
}

const energyOf = (variant: string, amount: number): MeasurementRecord[] => {
  const work = { variant, threads: 1, batch: 1, meter: 'estimate' };
  return ['prefill', 'decode'].flatMap((phase, index) => [
    value(
      'energy_j_per_token',
      'J/token',
      amount * (1 + 20 * index),
      { ...work, phase },
      {
        ...{ interval: [amount / 5, amount * 110], status: 'estimated' as const },
      },
    ),
    ...(variant === 'fp32'
      ? []
      : [value('energy_ratio', '1', 1.13, { ...work, phase }, { interval: [0.97, 1.31], status: 'estimated' })]),
  ]);
};

const divergences = ['int8', 'int4'].flatMap((variant, index) =>
  [articles, stories].map((text) =>
    value('kl_divergence_nats', 'nats/token', 0.0021 * 10 ** index, { ...text, variant }),
  ),
);

/** A report with something in every part of it: a gate, exports, runtimes, adaptation, server, energy, what failed. */
export const wholeReport: Report = {
  ...exampleReport,
  bounds: { int8: 0.02, int4: 0.02 },
  records: [
    ...records.filter(({ metric, id }) => metric !== 'energy_j_per_token' && !id.includes('threads=')),
    ...divergences,
    value('parameters', 'parameters', 293_656, { variant: 'fp32' }),
    value('max_abs_difference', '1', 1.4e-5, { runtime: 'onnxruntime 1.2.3', check: 'whole texts', batch: 1 }),
    value('perplexity_ratio', '1', 1.00001, { runtime: 'onnxruntime 1.2.3', check: 'a real text', batch: 1 }),
    missing('max_abs_difference', '1', 'PyTorch is not installed', { runtime: 'PyTorch', format: 'torchscript' }),
    ...sideRecords('onnxruntime-node', 'fp32', 1),
    ...sideRecords('onnxruntime-node', 'int8', 1.7),
    missing('latency_ms', 'ms', 'PyTorch is not installed', { runtime: 'torchscript', variant: 'fp32', threads: 1 }),
    value('wanted_nats_ratio', '1', 0.82, { scenario: 'phrase' }, { interval: [0.8, 0.85] }),
    value('unwanted_probability_ratio', '1', 5.8e-10, { scenario: 'phrase' }, { interval: [2.7e-10, 1.1e-9] }),
    value('bits_per_byte_ratio', '1', 1.011, { scenario: 'phrase', ...stories }, { interval: [1.002, 1.024] }),
    ...loadOf(1, 0),
    ...loadOf(8, 2),
    ...energyOf('fp32', 4.7e-5),
    ...energyOf('int4', 5.3e-5),
    value(
      'projected_energy_j_per_token',
      'J/token',
      1.1e-5,
      { variant: 'fp32', platform: 'laptop' },
      {
        ...{ interval: [4e-6, 4e-5], status: 'estimated' as const },
      },
    ),
  ],
  stages: [
    { id: 'quality/stories', name: 'scoring stories', status: 'done', seconds: 12.345, resumed: true },
    { id: 'exports', name: 'comparing exported files', status: 'done', seconds: 3.2 },
    {
      id: 'server',
      name: 'asking the server',
      status: 'failed',
      reason: 'The port was taken. Choose another',
      seconds: 0.4,
    },
    { id: 'drill/style', name: 'adaptation drill (style)', status: 'notRun', reason: 'it was not asked for' },
  ],
  failures: ['Requests failed with 8 clients.'],
};
