import type { BarChartOptions } from '../../src/chart/bar-chart.ts';
import type { LineChartOptions } from '../../src/chart/line-chart.ts';

/** The charts of the report, fetched when the first one is drawn: they are larger than all the rest of a page. */

export async function drawLines(options: LineChartOptions): Promise<string> {
  const { lineChart } = await import('../../src/chart/line-chart.ts');
  return lineChart(options);
}

export async function drawBars(options: BarChartOptions): Promise<string> {
  const { barChart } = await import('../../src/chart/bar-chart.ts');
  return barChart(options);
}
