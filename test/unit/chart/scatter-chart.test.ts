import { describe, expect, it } from 'vitest';
import { type ScatterChartOptions, scatterChart } from '../../../src/chart/scatter-chart.ts';

const options: ScatterChartOptions = {
  title: 'Quality against size',
  xAxis: { name: 'size', unit: 'kB' },
  yAxis: { name: 'ratio' },
  points: [
    { name: 'fp32', x: 1000, y: 1 },
    { name: 'int8', x: 250, y: 1.25, interval: [1.2, 1.3] },
  ],
};

/** Where a name stands, in pixels. */
function placeOf(svg: string, name: string): { x: number; y: number } {
  const [, x, y] =
    new RegExp(`transform="translate\\(([\\d.]+) ([\\d.]+)\\)"[^>]*>${name}</text>`).exec(svg) ??
    new RegExp(`<text [^>]*x="([\\d.]+)" y="([\\d.]+)"[^>]*>${name}</text>`).exec(svg) ??
    [];
  return { x: Number(x), y: Number(y) };
}

describe('scatterChart', () => {
  it('is the same text every time, and names and describes itself', () => {
    const svg = scatterChart(options);
    expect(scatterChart(options)).toBe(svg);
    expect(svg).toMatch(/^<svg class="itera-chart" role="img" aria-label="Quality against size"/);
    expect(svg).toContain(
      '<desc>Points of ratio against size (kB). fp32: 1 at 1,000; int8: 1.25 [1.2, 1.3] at 250.</desc>',
    );
    const points = [{ name: 'int8', x: 250, y: 1.25, label: 'about 1¼' }];
    expect(scatterChart({ ...options, points })).toContain('int8: about 1¼ at 250.</desc>');
    expect(scatterChart({ ...options, description: 'Small is good.' })).toContain('<desc>Small is good.</desc>');
  });

  it('puts larger values further right and further up', () => {
    const svg = scatterChart(options);
    const [fp32, int8] = [placeOf(svg, 'fp32'), placeOf(svg, 'int8')];
    expect(fp32.x).toBeGreaterThan(int8.x + 100);
    expect(int8.y).toBeLessThan(fp32.y - 100);
  });

  it('draws an error bar of three strokes for an interval, none without', () => {
    const strokes = (svg: string) => svg.match(/stroke="currentColor" stroke-width="1.5"/g)?.length ?? 0;
    expect(strokes(scatterChart(options))).toBe(3);
    expect(strokes(scatterChart({ ...options, points: options.points.slice(0, 1) }))).toBe(0);
  });

  it('moves names apart where points lie together', () => {
    const points = ['a', 'b', 'c', 'd'].map((name) => ({ name: `variant ${name}`, x: 5, y: 1 }));
    const svg = scatterChart({ ...options, points: [...points, { name: 'far', x: 9, y: 2 }] });
    const heights = points.map(({ name }) => placeOf(svg, name).y);
    expect(heights.every(Number.isFinite)).toBe(true);
    for (const [index, height] of heights.slice(1).entries()) {
      expect((heights[index] as number) - height).toBeCloseTo(14, 0);
    }
  });

  it('keeps hostile text and odd values within the chart', () => {
    const points = [{ name: '</text><script>alert("&")</script>', x: 0, y: 0 }];
    const svg = scatterChart({ ...options, points });
    expect(svg).not.toContain('<script');
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it.each<[string, Partial<ScatterChartOptions>]>([
    ['no points', { points: [] }],
    ['a place that is no number', { points: [{ name: 'a', x: Number.NaN, y: 1 }] }],
    ['an endless interval', { points: [{ name: 'a', x: 1, y: 1, interval: [1, Number.POSITIVE_INFINITY] }] }],
    ['a reversed interval', { points: [{ name: 'a', x: 1, y: 1, interval: [2, 1] }] }],
    ['0 on a logarithmic axis', { yAxis: { name: 'y', scale: 'log' }, points: [{ name: 'a', x: 1, y: 0 }] }],
  ])('refuses %s', (_, change) => {
    expect(() => scatterChart({ ...options, ...change })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
