import { expect, it } from 'vitest';
import { barChart } from '../../../src/chart/bar-chart.ts';
import { lineChart } from '../../../src/chart/line-chart.ts';

/** Made-up values in the shape of a training run. */
const decay = (start: number, end: number, count: number, step: number) =>
  Array.from({ length: count }, (_, index) => ({
    x: index * step,
    y: end + (start - end) * Math.exp((-5 * index) / (count - 1)),
  }));

it('draws training curves', async () => {
  const svg = lineChart({
    title: 'Training loss',
    xAxis: { name: 'step' },
    yAxis: { name: 'loss', unit: 'nats/token' },
    series: [
      { name: 'training', points: decay(7, 2, 101, 10) },
      { name: 'validation', points: decay(7, 2.1, 11, 100) },
    ],
  });
  await expect(svg).toMatchFileSnapshot('line-chart.svg');
});

it('draws grouped bars with intervals', async () => {
  const svg = barChart({
    title: 'Bits per byte',
    axis: { name: 'information', unit: 'bits/byte' },
    categories: ['articles, test', 'stories, test'],
    series: [
      {
        name: 'fp32',
        bars: [
          { value: 1.8, interval: [1.75, 1.86] },
          { value: 0.971, interval: [0.96, 0.983] },
        ],
      },
      { name: 'int4', bars: [{ value: 1.85, interval: [1.8, 1.92] }, undefined] },
    ],
  });
  await expect(svg).toMatchFileSnapshot('bar-chart.svg');
});

it('draws bars on a logarithmic axis', async () => {
  const svg = barChart({
    title: 'Size on disk',
    axis: { name: 'size', unit: 'bytes', scale: 'log' },
    categories: ['fp32', 'fp16', 'int4'],
    series: [{ name: 'size', bars: [{ value: 1_174_624 }, { value: 587_312 }, { value: 146_828 }] }],
  });
  await expect(svg).toMatchFileSnapshot('bar-chart-log.svg');
});
