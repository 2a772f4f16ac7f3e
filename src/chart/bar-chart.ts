import type { CustomSeriesRenderItem } from 'echarts';
import { IteraError } from '../core/errors.ts';
import {
  type ChartOptions,
  checkValue,
  describeAxis,
  estimateWidth,
  formatNumber,
  type NumericAxis,
  numericAxis,
} from './axis.ts';
import { seriesLook } from './palette.ts';
import { fontFamily, renderSvg } from './svg.ts';

/** One bar. */
export interface Bar {
  readonly value: number;
  /** Ends of the error bar, in the unit of the axis. */
  readonly interval?: readonly [number, number];
  /** Stands beside the bar; by default the value. */
  readonly label?: string;
}

/** Bars of one colour, one for each category; undefined leaves a gap. */
export interface BarSeries {
  readonly name: string;
  readonly bars: readonly (Bar | undefined)[];
}

export interface BarChartOptions extends ChartOptions {
  readonly axis: NumericAxis;
  readonly categories: readonly string[];
  readonly series: readonly BarSeries[];
}

/** A bar with its place: category and series by index. */
interface PlacedBar extends Bar {
  readonly category: number;
  readonly series: number;
  readonly text: string;
}

const barHeight = 22;
const categoryGap = 14;

/**
 * Draws horizontal bars with error bars, grouped by category; each bar carries its value and, where there are several
 * series, the name of its own. The height follows from the number of bars. On a linear axis bars start at 0; on a
 * logarithmic one, which has no 0, at the power of ten below the least value.
 *
 * @returns SVG text with a transparent ground, in the colour of the surrounding text, with a name and a description.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without any bar, if a series has not one entry for each category, for
 *   an interval with its ends reversed, and for a number that is not finite or does not fit a logarithmic axis.
 */
export function barChart(options: BarChartOptions): string {
  const { axis, categories, series, width = 760 } = options;
  const bars = placeBars(options);
  const plotHeight = categories.length * (series.length * barHeight + categoryGap);
  const left = Math.min(Math.max(...categories.map(estimateWidth)) + 16, width / 3);
  const right = Math.min(Math.max(...bars.map(({ text }) => estimateWidth(text))) + 24, width / 3);
  return renderSvg(
    {
      grid: { left, right, top: 34, bottom: 52 },
      xAxis: { ...numericAxis(axis), nameGap: 32, ...(axis.scale === 'log' ? decades(bars) : {}) },
      yAxis: {
        type: 'category',
        inverse: true,
        data: [...categories],
        axisLabel: { color: 'currentColor', fontSize: 12, interval: 0, width: left - 16, overflow: 'break' },
        axisLine: { lineStyle: { color: 'currentColor', opacity: 0.6 } },
        axisTick: { show: false },
      },
      series: [
        {
          type: 'custom',
          silent: true,
          clip: false,
          emphasis: { disabled: true },
          encode: { x: [0, 1, 2], y: 3 },
          data: bars.map(({ value, interval = [value, value], category }) => [value, ...interval, category]),
          renderItem: drawBar(bars, series.length),
        },
      ],
    },
    { ...options, width, height: 34 + plotHeight + 52, description: options.description ?? describe(options) },
  );
}

function placeBars({ axis, categories, series }: BarChartOptions): PlacedBar[] {
  const placed: PlacedBar[] = [];
  series.forEach(({ name, bars }, index) => {
    if (bars.length !== categories.length) {
      throw new IteraError(
        'INVALID_ARGUMENT',
        `Expected ${categories.length} bars in series "${name}", one for each category, got ${bars.length}.`,
        { series: name, categories: categories.length, bars: bars.length },
      );
    }
    bars.forEach((bar, category) => {
      if (bar === undefined) return;
      const place = `series "${name}", category "${categories[category]}"`;
      checkBar(bar, axis, place);
      const label = bar.label ?? formatNumber(bar.value);
      placed.push({ ...bar, category, series: index, text: series.length > 1 ? `${name}: ${label}` : label });
    });
  });
  if (placed.length === 0) throw new IteraError('INVALID_ARGUMENT', 'A bar chart needs at least one bar, got none.');
  return placed;
}

function checkBar({ value, interval }: Bar, axis: NumericAxis, place: string): void {
  checkValue(value, axis, place);
  if (interval === undefined) return;
  for (const end of interval) checkValue(end, axis, `the interval of ${place}`);
  if (interval[0] > interval[1]) {
    throw new IteraError(
      'INVALID_ARGUMENT',
      `Expected an interval [low, high] in ${place}, got [${interval.join(', ')}].`,
      {
        interval,
      },
    );
  }
}

/** Whole powers of ten around all values, such that the least bar still has a length. */
function decades(bars: readonly PlacedBar[]): { min: number; max: number } {
  const all = bars.flatMap(({ value, interval = [value, value] }) => [value, ...interval]);
  return {
    min: 10 ** (Math.ceil(Math.log10(Math.min(...all))) - 1),
    max: 10 ** Math.ceil(Math.log10(Math.max(...all))),
  };
}

function drawBar(bars: readonly PlacedBar[], seriesCount: number): CustomSeriesRenderItem {
  return (params, api) => {
    const bar = bars[params.dataIndex] as PlacedBar;
    const { x: axisStart } = params.coordSys as unknown as { x: number };
    const zero = api.coord([0, bar.category])[0] as number;
    // A logarithmic axis has no place for 0, and bars there start at its edge.
    const start = Number.isFinite(zero) && zero > axisStart ? zero : axisStart;
    const [end = 0, center = 0] = api.coord([bar.value, bar.category]);
    const middle = center + (bar.series - (seriesCount - 1) / 2) * barHeight;
    const low = api.coord([bar.interval?.[0] ?? bar.value, bar.category])[0] as number;
    const high = api.coord([bar.interval?.[1] ?? bar.value, bar.category])[0] as number;
    const stroke = { stroke: 'currentColor', lineWidth: 1.5, fill: 'none' };
    const line = (x1: number, y1: number, x2: number, y2: number) => ({
      type: 'line' as const,
      shape: { x1, y1, x2, y2 },
      style: stroke,
    });
    const whiskers =
      bar.interval === undefined
        ? []
        : [
            line(low, middle, high, middle),
            line(low, middle - 4, low, middle + 4),
            line(high, middle - 4, high, middle + 4),
          ];
    return {
      type: 'group' as const,
      children: [
        {
          type: 'rect' as const,
          shape: {
            x: Math.min(start, end),
            y: middle - barHeight / 2 + 2,
            width: Math.abs(end - start),
            height: barHeight - 4,
          },
          style: { fill: seriesLook(bar.series).color },
        },
        ...whiskers,
        {
          type: 'text' as const,
          x: Math.max(start, end, high) + 6,
          y: middle,
          style: { text: bar.text, fill: 'currentColor', fontFamily, fontSize: 12, verticalAlign: 'middle' as const },
        },
      ],
    };
  };
}

function describe({ axis, categories, series }: BarChartOptions): string {
  const groups = categories.map((category, index) => {
    const bars = series.flatMap(({ name, bars: { [index]: bar } }) =>
      bar === undefined ? [] : [`${series.length > 1 ? `${name} ` : ''}${bar.label ?? formatNumber(bar.value)}`],
    );
    return `${category}: ${bars.length === 0 ? 'no value' : bars.join(', ')}`;
  });
  return `Bars of ${describeAxis(axis)}. ${groups.join('; ')}.`;
}
