import type { CustomSeriesRenderItem } from 'echarts';
import { seriesLook } from './palette.ts';
import {
  barHeight,
  describeRows,
  layoutRows,
  type PlacedRow,
  placeRows,
  type RowChartOptions,
  type RowLayout,
  type RowValue,
  rowMarks,
} from './rows.ts';
import { errorBar } from './strokes.ts';
import { renderSvg } from './svg.ts';

/** One bar. */
export type Bar = RowValue;

/** Bars of one colour, one for each category; undefined leaves a gap. */
export interface BarSeries {
  readonly name: string;
  readonly bars: readonly (Bar | undefined)[];
}

export interface BarChartOptions extends Omit<RowChartOptions<Bar>, 'series'> {
  readonly series: readonly BarSeries[];
}

/**
 * Draws horizontal bars with error bars, grouped by category; each bar carries its value and, where there are several
 * series, the name of its own. The height follows from the number of bars. On a linear axis bars start at 0; on a
 * logarithmic one, which has no 0, at the power of ten below the least value.
 *
 * @returns SVG text with a transparent ground, in the colour of the surrounding text, with a name and a description.
 *   Marks are the bars, series by series, without the gaps.
 * @throws {@link IteraError} `INVALID_ARGUMENT` without any bar, if a series has not one entry for each category, for
 *   an interval with its ends reversed, and for a number that is not finite or does not fit a logarithmic axis.
 */
export function barChart({ series, ...others }: BarChartOptions): string {
  const options = { ...others, series: series.map(({ name, bars }) => ({ name, values: bars })) };
  const bars = placeRows(options);
  const layout = layoutRows(options, bars);
  const { xAxis, ...axes } = layout.axes;
  return renderSvg(
    {
      ...axes,
      xAxis: { ...xAxis, ...(options.axis.scale === 'log' ? decades(bars) : {}) },
      series: [
        {
          ...{ type: 'custom', silent: true, clip: false, emphasis: { disabled: true } },
          encode: { x: [0, 1, 2], y: 3 },
          data: bars.map(({ value, interval = [value, value], category }) => [value, ...interval, category]),
          renderItem: drawBar(bars, layout),
        },
      ],
    },
    {
      ...options,
      height: layout.height,
      marks: rowMarks(options, bars),
      description: options.description ?? describeRows('Bars', options),
    },
  );
}

/** Whole powers of ten around all values, such that the least bar still has a length. */
function decades(bars: readonly RowValue[]): { min: number; max: number } {
  const all = bars.flatMap(({ value, interval = [value, value] }) => [value, ...interval]);
  return {
    min: 10 ** (Math.ceil(Math.log10(Math.min(...all))) - 1),
    max: 10 ** Math.ceil(Math.log10(Math.max(...all))),
  };
}

function drawBar(bars: readonly PlacedRow<RowValue>[], layout: RowLayout): CustomSeriesRenderItem {
  return (params, api) => {
    const bar = bars[params.dataIndex] as PlacedRow<RowValue>;
    const { x: axisStart } = params.coordSys as unknown as { x: number };
    const zero = api.coord([0, bar.category])[0] as number;
    // A logarithmic axis has no place for 0, and bars there start at its edge.
    const start = Number.isFinite(zero) && zero > axisStart ? zero : axisStart;
    const [end = 0, center = 0] = api.coord([bar.value, bar.category]);
    const middle = layout.middleOf(bar, center);
    const [low, high] = (bar.interval ?? [bar.value, bar.value]).map(
      (value) => api.coord([value, bar.category])[0] as number,
    ) as [number, number];
    const shape = {
      ...{ x: Math.min(start, end), y: middle - barHeight / 2 + 2 },
      ...{ width: Math.abs(end - start), height: barHeight - 4 },
    };
    return {
      type: 'group' as const,
      children: [
        { type: 'rect' as const, shape, style: { fill: seriesLook(bar.series).color } },
        ...(bar.interval === undefined ? [] : errorBar([low, middle], [high, middle])),
        // Read in the order of the mark's own text.
        ...layout.headingOf(bar, axisStart, center),
        layout.labelOf(bar, { start: axisStart, end: Math.max(start, end, high) + 6, middle }),
      ],
    } as ReturnType<CustomSeriesRenderItem>;
  };
}
