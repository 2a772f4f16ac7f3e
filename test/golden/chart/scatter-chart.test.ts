import { expect, it } from 'vitest';
import { scatterChart } from '../../../src/chart/scatter-chart.ts';

it('draws named points with intervals', async () => {
  const svg = scatterChart({
    title: 'Quality against size',
    xAxis: { name: 'size on disk', unit: 'kB' },
    yAxis: { name: 'perplexity relative to FP32' },
    points: [
      { name: 'fp32', x: 1175, y: 1 },
      { name: 'fp16', x: 588, y: 1.0002, interval: [0.9999, 1.0005] },
      { name: 'int8', x: 305, y: 1.0012, interval: [1.0004, 1.002] },
      { name: 'int4', x: 190, y: 1.021, interval: [1.018, 1.024] },
      { name: 'mixed', x: 196, y: 1.0205, interval: [1.0175, 1.0235] },
    ],
  });
  await expect(svg).toMatchFileSnapshot('scatter-chart.svg');
});
