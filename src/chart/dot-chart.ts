import type { CustomSeriesRenderItem } from 'echarts';
import { checkValue, logarithmicSpan } from './axis.ts';
import { seriesLook } from './palette.ts';
import {
  describeRows,
  layoutRows,
  type PlacedRow,
  placeRows,
  type RowChartOptions,
  type RowLayout,
  type RowValue,
  rowMarks,
} from './rows.ts';
import { errorBar, point, stroke } from './strokes.ts';
import { renderSvg } from './svg.ts';

/** A value as a point, with what it was found from. */
export interface Dot extends RowValue {
  /** The values that it sums up, each drawn as a small circle. */
  readonly samples?: readonly number[];
  /** How far the slowest go, e.g. a 99th percentile: a thin line from the point to a cross stroke. */
  readonly tail?: number;
}

export interface DotChartOptions extends RowChartOptions<Dot> {
  /** A line across all rows at this value, e.g. 1 for ratios: no change. */
  readonly reference?: number;
}

/**
 * Draws values as points in rows with error bars, their samples and tails, grouped by category. Unlike bars, points need no
 * common start, so that the axis spans the values alone.
 *
 * @returns SVG text as that of `barChart`. Marks are the points, series by series, without the gaps.
 * @throws {@link IteraError} `INVALID_ARGUMENT` as `barChart`.
 */
export function dotChart(options: DotChartOptions): string {
  const { axis, reference } = options;
  const dots = placeRows(options);
  for (const { samples = [], tail, text } of dots) {
    for (const sample of tail === undefined ? samples : [...samples, tail])
      checkValue(sample, axis, `samples of ${text}`);
  }
  if (reference !== undefined) checkValue(reference, axis, 'the reference');
  const layout = layoutRows(options, dots);
  const { xAxis, ...axes } = layout.axes;
  const lowest = (dot: Dot): number => Math.min(...extent(dot), reference ?? dot.value);
  const highest = (dot: Dot): number => Math.max(...extent(dot), reference ?? dot.value);
  return renderSvg(
    {
      ...axes,
      xAxis: {
        ...xAxis,
        ...(axis.scale === 'log'
          ? logarithmicSpan(dots.flatMap((dot) => [lowest(dot), highest(dot)]))
          : { scale: true }),
      },
      series: [
        {
          ...{ type: 'custom', silent: true, clip: false, emphasis: { disabled: true } },
          encode: { x: [0, 1, 2], y: 3 },
          data: dots.map((dot) => [dot.value, lowest(dot), highest(dot), dot.category]),
          renderItem: drawDot(dots, layout, reference),
        },
      ],
    },
    {
      ...options,
      height: layout.height,
      marks: rowMarks(options, dots),
      description: options.description ?? describeRows('Points', options),
    },
  );
}

const extent = ({ value, interval = [value, value], samples = [], tail = value }: Dot): number[] => [
  ...interval,
  ...samples,
  ...[value, tail],
];

function drawDot(
  dots: readonly PlacedRow<Dot>[],
  layout: RowLayout,
  reference: number | undefined,
): CustomSeriesRenderItem {
  return (params, api) => {
    const dot = dots[params.dataIndex] as PlacedRow<Dot>;
    const area = params.coordSys as unknown as { x: number; y: number; height: number };
    const placeOf = (value: number): number => api.coord([value, dot.category])[0] as number;
    const [center = 0, bandMiddle = 0] = api.coord([dot.value, dot.category]);
    const middle = layout.middleOf(dot, bandMiddle);
    const [low, high] = (dot.interval ?? [dot.value, dot.value]).map(placeOf) as [number, number];
    const tail = dot.tail === undefined ? undefined : placeOf(dot.tail);
    const line = reference === undefined || params.dataIndex > 0 ? undefined : placeOf(reference);
    const { color } = seriesLook(dot.series);
    return {
      type: 'group' as const,
      children: [
        ...(line === undefined
          ? []
          : [stroke(line, area.y, line, area.y + area.height, { lineDash: [4, 3], opacity: 0.7 })]),
        ...(tail === undefined
          ? []
          : [
              stroke(center, middle, tail, middle, { stroke: color, lineWidth: 1 }),
              stroke(tail, middle - 5, tail, middle + 5, { stroke: color }),
            ]),
        ...(dot.samples ?? []).map((sample) => ({
          type: 'circle' as const,
          shape: { cx: placeOf(sample), cy: middle + 6, r: 2 },
          style: { fill: color, opacity: 0.55 },
        })),
        ...(dot.interval === undefined ? [] : errorBar([low, middle], [high, middle])),
        point(dot.series, center, middle),
        // Read in the order of the mark's own text.
        ...layout.headingOf(dot, area.x, bandMiddle),
        layout.labelOf(dot, { start: area.x, end: Math.max(...extent(dot).map(placeOf)) + 9, middle }),
      ],
    } as ReturnType<CustomSeriesRenderItem>;
  };
}
