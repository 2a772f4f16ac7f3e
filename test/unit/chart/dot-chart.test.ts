import { describe, expect, it } from 'vitest';
import { type DotChartOptions, dotChart } from '../../../src/chart/dot-chart.ts';

const options: DotChartOptions = {
  title: 'Latency',
  axis: { name: 'median', unit: 'ms' },
  categories: ['a', 'b'],
  series: [
    { name: 'latency', values: [{ value: 2, interval: [1.5, 2.5], samples: [1.5, 2, 2.5], tail: 4 }, { value: 3 }] },
  ],
};

const widthOf = (svg: string): number => Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1]);

describe('dotChart', () => {
  it('is the same text every time, and names and describes itself', () => {
    const svg = dotChart(options);
    expect(dotChart(options)).toBe(svg);
    expect(svg).toMatch(/^<svg class="itera-chart" role="img" aria-label="Latency"/);
    expect(svg).toContain('<desc>Points of median (ms). a: 2; b: 3.</desc>');
  });

  it('groups all that belongs to a value as one mark, with its text', () => {
    const marks = [...dotChart(options).matchAll(/<g data-mark="(\d)"><title>([^<]+)<\/title>(.*?)<\/g>/gs)];
    expect(marks.map(([, index, text]) => [index, text])).toEqual([
      ['0', 'a, 2'],
      ['1', 'b, 3'],
    ]);
    // The point, and a circle for each sample.
    expect(marks.map(([, , , shapes]) => shapes?.match(/A|<circle/g) !== null)).toEqual([true, true]);
    expect(marks[0]?.[3]?.match(/opacity="0.55"/g)).toHaveLength(3);
    expect(marks[1]?.[3]).not.toContain('opacity="0.55"');
  });

  it('draws a line at the reference, and keeps it within the axis', () => {
    expect(dotChart(options)).not.toContain('stroke-dasharray');
    const svg = dotChart({ ...options, reference: 1 });
    expect(svg).toContain('stroke-dasharray="4,3"');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('names series in the marks of several', () => {
    const series = ['median', 'p99'].map((name) => ({ name, values: [{ value: 2 }, undefined] }));
    const svg = dotChart({ ...options, series });
    expect(svg).toContain('<g data-mark="1" data-series="p99"><title>a, p99: 2</title>');
  });

  it('puts names above rows where it is narrow, so that nothing is cut off', () => {
    const categories = ['a name that is as long as those of runtimes', 'b'];
    const svg = dotChart({ ...options, categories, width: 360 });
    expect(widthOf(svg)).toBe(360);
    for (const [, x, text] of svg.matchAll(/<text[^>]*text-anchor="start"[^>]*translate\(([\d.]+) [^>]*>([^<]+)</g))
      expect(Number(x) + 6.7 * (text as string).length).toBeLessThanOrEqual(360);
  });

  it('spans a logarithmic axis over the values alone', () => {
    const svg = dotChart({ ...options, axis: { name: 'median', scale: 'log' } });
    expect(svg).toContain('log scale');
    expect(svg).not.toMatch(/\d\.\d{5,}/);
  });

  it.each<[string, Partial<DotChartOptions>]>([
    ['no values', { series: [{ name: 's', values: [undefined, undefined] }] }],
    [
      'a sample that is no number',
      { series: [{ name: 's', values: [{ value: 1, samples: [Number.NaN] }, undefined] }] },
    ],
    ['a reference of 0 on a logarithmic axis', { axis: { name: 'y', scale: 'log' }, reference: 0 }],
  ])('refuses %s', (_name, change) => {
    expect(() => dotChart({ ...options, ...change })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
