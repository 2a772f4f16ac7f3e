import { describe, expect, it } from 'vitest';
import { type BarChartOptions, barChart } from '../../../src/chart/bar-chart.ts';
import { type LineChartOptions, lineChart } from '../../../src/chart/line-chart.ts';
import { palette, seriesLook } from '../../../src/chart/palette.ts';

const hostile = '</text><script>alert("&")</script>';

const lines: LineChartOptions = {
  title: 'Training loss',
  xAxis: { name: 'step' },
  yAxis: { name: 'loss', unit: 'nats/token' },
  series: [
    {
      name: 'train',
      points: [
        { x: 0, y: 5 },
        { x: 10, y: 3 },
      ],
    },
  ],
};

const bars: BarChartOptions = {
  title: 'Size',
  axis: { name: 'size', unit: 'bytes' },
  categories: ['fp32', 'int8'],
  series: [{ name: 'size', bars: [{ value: 400 }, { value: 100 }] }],
};

describe.each([
  ['lineChart', (title: string, id?: string) => lineChart({ ...lines, title, ...(id === undefined ? {} : { id }) })],
  ['barChart', (title: string, id?: string) => barChart({ ...bars, title, ...(id === undefined ? {} : { id }) })],
])('%s', (_name, draw) => {
  it('is the same text every time', () => {
    expect(draw('A')).toBe(draw('A'));
  });

  it('names itself for screen readers', () => {
    const svg = draw('Loss');
    expect(svg).toMatch(/^<svg class="itera-chart" role="img" aria-label="Loss"/);
    expect(svg).toContain('<title>Loss</title>');
    expect(svg).toMatch(/<desc>[^<]{20,}<\/desc>/);
  });

  it('escapes hostile text', () => {
    const svg = draw(hostile);
    expect(svg).not.toContain('<script');
    expect(svg).toContain('&lt;script&gt;');
  });

  it('drops control characters, which XML does not allow', () => {
    expect(draw('A\u0000\u001bB')).toContain('<title>AB</title>');
    expect(draw('A\u0000\u001bB')).not.toMatch(/[^\P{Cc}\n]/u);
  });

  it('keeps every id under the given prefix', () => {
    for (const [, id] of draw('A', 'first" onload="').matchAll(/ id="([^"]*)"/g))
      expect(id).toMatch(/^chart-first-onload-c\d+$/);
    expect(draw('A', 'first')).not.toMatch(/zr\d/);
  });

  it('has no ground of its own and writes text in the colour of the page', () => {
    const svg = draw('A');
    expect(svg).toMatch(/<rect width="\d+" height="\d+" x="0" y="0" fill="none">/);
    for (const [tag] of svg.matchAll(/<text [^>]*>/g)) {
      expect(tag).toMatch(new RegExp(`fill="(currentColor|${palette.join('|')})"`));
      expect(tag).not.toContain('stroke=');
    }
  });

  it('rounds its coordinates', () => {
    expect(draw('A').match(/\d\.\d{3,}/g)).toBeNull();
  });
});

describe('lineChart', () => {
  it('describes where each line starts and ends', () => {
    expect(lineChart(lines)).toContain(
      '<desc>Lines of loss (nats/token) over step. train: from 5 at 0 to 3 at 10.</desc>',
    );
    expect(lineChart({ ...lines, description: 'Falls.' })).toContain('<desc>Falls.</desc>');
  });

  it('names each line at its end', () => {
    const series = ['train', '<valid>'].map((name) => ({ name, points: lines.series[0]?.points ?? [] }));
    const svg = lineChart({ ...lines, series });
    expect(svg).toContain('train</text>');
    expect(svg).toContain('&lt;valid&gt;</text>');
  });

  it('keeps the text small for very many points', () => {
    const points = Array.from({ length: 50_000 }, (_, x) => ({ x, y: Math.sin(x / 999) }));
    expect(lineChart({ ...lines, series: [{ name: 'a', points }] }).length).toBeLessThan(60_000);
  });

  it.each<[string, Partial<LineChartOptions>]>([
    ['no series', { series: [] }],
    ['a series without points', { series: [{ name: 'a', points: [] }] }],
    ['a point that is not a number', { series: [{ name: 'a', points: [{ x: 0, y: Number.NaN }] }] }],
    [
      '0 on a logarithmic axis',
      { yAxis: { name: 'y', scale: 'log' }, series: [{ name: 'a', points: [{ x: 1, y: 0 }] }] },
    ],
  ])('refuses %s', (_name, change) => {
    expect(() => lineChart({ ...lines, ...change })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('barChart', () => {
  const widths = (svg: string) =>
    [...svg.matchAll(/<path d="M[-\d.]+ [-\d.]+l([\d.]+) 0l0 18/g)].map(([, width]) => Number(width));

  it('draws lengths in proportion to the values on a linear axis', () => {
    const [long, short] = widths(barChart(bars)) as [number, number];
    expect(long / short).toBeCloseTo(4, 1);
  });

  it('draws equal steps for equal factors on a logarithmic axis, and no bar without length', () => {
    const svg = barChart({
      ...bars,
      axis: { name: 'size', scale: 'log' },
      categories: ['a', 'b', 'c'],
      series: [{ name: 'size', bars: [{ value: 1000 }, { value: 100 }, { value: 10 }] }],
    });
    const [a, b, c] = widths(svg) as [number, number, number];
    expect(a - b).toBeCloseTo(b - c, 0);
    expect(c).toBeGreaterThan(10);
    expect(svg).toContain('log scale');
  });

  it('draws bars of negative values from 0 to the left', () => {
    const series = [{ name: 'd', bars: [{ value: -2 }, { value: 1 }] }];
    const [negative, positive] = widths(barChart({ ...bars, series })) as [number, number];
    expect(negative / positive).toBeCloseTo(2, 1);
  });

  it('draws an error bar of three strokes for an interval, and the labels given', () => {
    const plain = barChart(bars);
    const series = [
      { name: 'size', bars: [{ value: 400, interval: [380, 420] as const, label: '400 ± 20' }, undefined] },
    ];
    const svg = barChart({ ...bars, series });
    const strokes = (text: string) => text.match(/stroke="currentColor" stroke-width="1.5"/g)?.length ?? 0;
    expect(strokes(plain)).toBe(0);
    expect(strokes(svg)).toBe(3);
    expect(svg).toContain('>400 ± 20</text>');
    expect(svg).toContain('fp32: 400 ± 20; int8: no value.</desc>');
  });

  it('keeps a lone 0 within the chart', () => {
    const svg = barChart({ ...bars, categories: ['a'], series: [{ name: 's', bars: [{ value: 0 }] }] });
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it.each<[string, Partial<BarChartOptions>]>([
    ['no bars', { series: [{ name: 's', bars: [undefined, undefined] }] }],
    ['a series of another length', { series: [{ name: 's', bars: [{ value: 1 }] }] }],
    ['reversed intervals', { categories: ['a'], series: [{ name: 's', bars: [{ value: 1, interval: [2, 1] }] }] }],
    ['infinite values', { categories: ['a'], series: [{ name: 's', bars: [{ value: Number.POSITIVE_INFINITY }] }] }],
    [
      '0 on a logarithmic axis',
      { axis: { name: 'y', scale: 'log' }, categories: ['a'], series: [{ name: 's', bars: [{ value: 0 }] }] },
    ],
  ])('refuses %s', (_name, change) => {
    expect(() => barChart({ ...bars, ...change })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('palette', () => {
  it.each(palette)('%s stands out on light and dark pages', (color) => {
    expect(contrast(color, '#ffffff')).toBeGreaterThanOrEqual(3);
    expect(contrast(color, '#0d1117')).toBeGreaterThanOrEqual(3);
  });

  it('gives the first twelve series different looks', () => {
    const looks = new Set(Array.from({ length: 12 }, (_, index) => JSON.stringify(seriesLook(index))));
    expect(looks.size).toBe(12);
  });
});

/** Contrast ratio of WCAG 2.2. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const channel = Number.parseInt(color.slice(start, start + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
