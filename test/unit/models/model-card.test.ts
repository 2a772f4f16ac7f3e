import { describe, expect, test } from 'vitest';
import type { MeasurementRecord } from '../../../src/core/measurement.ts';
import type { ModelConfig } from '../../../src/models/config.ts';
import { type ModelProvenance, renderModelCard } from '../../../src/models/model-card.ts';
import { presets } from '../../../src/models/presets.ts';

const provenance: ModelProvenance = {
  schemaVersion: 1,
  name: 'example-micro',
  iteraLite: '1.2.3',
  recipe: { preset: 'micro', steps: 1200, texts: [{ name: 'stories', weight: 3 }] },
  data: [
    {
      dataset: 'stories',
      split: 'train',
      sha256: 'abcdef0123456789'.repeat(4),
      documents: 12_345,
      tokens: 6_789_012,
      weight: 3,
    },
  ],
  training: { steps: 1200, tokens: 2_457_600, finalLossNats: 1.23456, threads: 2, cpu: 'Example CPU' },
  validation: [
    { step: 600, name: 'stories', bitsPerByte: 1.5 },
    { step: 1200, name: 'stories', bitsPerByte: 1.25 },
    { step: 1200, name: 'articles', bitsPerByte: 2.3456789 },
  ],
  measurements: [],
};

const measured: MeasurementRecord = {
  id: 'a',
  subject: 'example-micro',
  metric: 'bits_per_byte',
  unit: 'bits/byte',
  method: 'windows of 512 | stride 256',
  conditions: { dataset: 'stories', split: 'test' },
  status: 'measured',
  value: 1.23456,
  interval: [1.2, 1.3],
  confidence: 0.95,
  n: 40,
};

/** The cells of the rows of the table below a heading. */
function tableUnder(card: string, heading: string): string[][] {
  const [, section = ''] = card.split(`\n## ${heading}\n`);
  const lines = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.filter((_, index) => index !== 1).map((line) => line.slice(2, -2).split(/(?<!\\) \| /));
}

describe('the model card', () => {
  /** Sizes of its own, so that the presets' may change. */
  const config: ModelConfig = {
    ...presets.micro(896),
    hiddenSize: 64,
    numHiddenLayers: 4,
    layersBlockType: ['mamba', 'mamba', 'mamba', 'mamba'],
    intermediateSize: 32,
    sharedIntermediateSize: 32,
    numLocalExperts: 4,
    numExpertsPerTok: 2,
    mambaNHeads: 4,
    mambaDHead: 32,
    mambaDState: 16,
  };

  test('shows samples whole, charts, and the licences it knows', () => {
    const [source] = provenance.data;
    const card = renderModelCard(config, {
      ...provenance,
      data: source ? [{ ...source, licence: 'CC0-1.0' }] : [],
      licence: 'Apache-2.0',
      charts: [{ file: 'loss.svg', title: 'Training loss' }],
      samples: [
        { prompt: 'Once upon', text: ' a time.\n\nThe end.', seed: 0, temperature: 0, topP: 0.95 },
        { prompt: 'There', text: ' was', seed: 3, temperature: 0.8, topP: 0.95 },
      ],
    });
    expect(card).toContain('![Training loss](loss.svg)');
    expect(card).toContain('> **Once upon** a time.\n>\n> The end.');
    expect(card).toContain('Temperature 0.8, top-p 0.95, seed 3:');
    expect(card).toContain('The weights are published under Apache-2.0.');
    expect(card).toContain('license: apache-2.0');
    expect(tableUnder(card, 'Training data')[1]?.[5]).toBe('CC0-1.0');
  });

  test('holds no control characters of samples', () => {
    const samples = [{ prompt: 'A\u0000', text: '\u001b[1m b\tc\r\nd', seed: 1, temperature: 0.7, topP: 0.95 }];
    const card = renderModelCard(config, { ...provenance, samples });
    expect(card).toContain('> **A\ufffd**\ufffd[1m b\tc\n> d');
  });

  test('says so where licences are not stated', () => {
    const card = renderModelCard(config, provenance);
    expect(card).toContain('Its maker has stated none for the weights.');
    expect(card).not.toContain('license:');
    expect(tableUnder(card, 'Training data')[1]?.[5]).toBe('not stated');
  });

  test('starts with the metadata that the Hub reads', () => {
    const [, front = '', rest = ''] = renderModelCard(config, provenance).split('---\n');
    expect(
      Object.fromEntries(
        front
          .trim()
          .split('\n')
          .map((line) => line.split(': ')),
      ),
    ).toEqual({
      pipeline_tag: 'text-generation',
      library_name: 'itera-lite',
    });
    expect(rest.trimStart()).toMatch(/^# example-micro\n/);
  });

  test('states sizes from the configuration', () => {
    const card = renderModelCard(config, provenance);
    expect(tableUnder(card, 'Size')[1]).toEqual(['293,104', '243,952', '235,760', '896', '64', '4']);
    expect(card).toContain('mamba layers, 4 experts of which 2 work on each token');
    const mixed = { ...presets['micro-transformer'](), layersBlockType: ['mamba', 'attention', 'mamba'] as const };
    expect(renderModelCard(mixed, provenance)).toContain('(mamba and attention layers)');
  });

  test('states data, recipe and training', () => {
    const card = renderModelCard(config, provenance);
    expect(tableUnder(card, 'Training data')[1]).toEqual([
      'stories',
      'train',
      '12,345',
      '6,789,012',
      '3',
      'not stated',
      '`abcdef0123456789...`',
    ]);
    expect(card).toContain('1,200 steps, 2,457,600 tokens, 2 threads on Example CPU, Itera-Lite 1.2.3.');
    expect(card).toContain('Loss over the last steps 1.2346 nats per token.');
    const [, json = ''] = /```json\n([\s\S]*?)\n```/.exec(card) ?? [];
    expect(JSON.parse(json)).toEqual(provenance.recipe);
  });

  test('states the last validation only, or that there was none', () => {
    const card = renderModelCard(config, provenance);
    expect(card).toContain('at the last step: stories 1.2500, articles 2.3457.');
    expect(card).not.toContain('1.5000');
    expect(renderModelCard(config, { ...provenance, validation: [] })).toContain(
      '## Validation during training\n\nNone.\n',
    );
  });

  test('says that its weights are a mean, and states the validation of that', () => {
    const [before] = provenance.validation.slice(-1);
    const recipe = { ...provenance.recipe, initShare: 0.4 };
    const mean = { ...before, name: 'articles', bitsPerByte: 2.3, initShare: 0.4 };
    const card = (validation: readonly unknown[]) =>
      renderModelCard(config, { ...provenance, recipe, validation } as ModelProvenance);
    const whole = card([...provenance.validation, mean]);
    expect(whole).toContain('at the last step: stories 1.2500, articles 2.3457.\n');
    expect(whole).toContain('have a share of 0.4. On the same documents: articles 2.3000.\n');
    expect(card([])).toContain('have a share of 0.4.\n');
    expect(renderModelCard(config, provenance)).not.toContain('have a share of');
  });

  test('names the models that it was made from', () => {
    const init = { name: 'first', sha256: '5'.repeat(64) };
    const teacher = { name: 'large', sha256: '6'.repeat(64) };
    const card = (change: Partial<ModelProvenance>) => renderModelCard(config, { ...provenance, ...change });
    expect(card({})).toContain('trained from scratch on a CPU');
    expect(card({ init })).toContain('trained on from the weights of first (weights `5555555555555555...`) on a CPU');
    expect(card({ init })).toContain('nothing but the texts above and those of first:');
    expect(card({ teachers: [teacher] })).toContain(
      'trained from scratch, with the predictions of large (weights `6666',
    );
    const third = { name: 'third', sha256: '7'.repeat(64) };
    expect(card({ teachers: [init, teacher, third] })).toMatch(/of first \(.*\), large \(.*\), and third \(/);
    expect(card({ init, teachers: [init, teacher] })).toContain('the texts above and those of first and large:');
    expect(card({ init, teachers: [teacher] })).not.toContain('scratch');
  });

  test('says if the weights are stored in half precision', () => {
    expect(renderModelCard(config, provenance)).not.toContain('half precision');
    expect(renderModelCard(config, { ...provenance, weightsDtype: 'float16' })).toContain('half precision');
  });

  test('shows measurements as a table whose cells stay cells', () => {
    const failed: MeasurementRecord = {
      ...{ id: 'b', subject: 'example-micro', metric: 'word_perplexity', unit: '', method: 'rolling' },
      conditions: { dataset: 'wikitext-2' },
      status: 'notRun',
      reason: 'no network\nin this place',
    };
    const { interval: _interval, ...plain } = measured;
    const card = renderModelCard(config, { ...provenance, measurements: [measured, failed, plain] });
    expect(tableUnder(card, 'Measurements').slice(1)).toEqual([
      ['stories', 'test', 'bits_per_byte', '1.2346', '1.2000 to 1.3000', '40', 'windows of 512 \\| stride 256'],
      ['wikitext-2', '', 'word_perplexity', 'not run: no network in this place', '', '', 'rolling'],
      ['stories', 'test', 'bits_per_byte', '1.2346', '', '40', 'windows of 512 \\| stride 256'],
    ]);
    expect(renderModelCard(config, provenance)).toMatch(/## Measurements\n\nNone yet: run /);
  });

  test('is the same for the same input and ends in one newline', () => {
    const card = renderModelCard(config, provenance);
    expect(renderModelCard(config, structuredClone(provenance))).toBe(card);
    expect(card).toMatch(/[^\n]\n$/);
    expect(card).not.toContain('undefined');
  });
});
