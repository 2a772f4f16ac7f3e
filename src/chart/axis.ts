import { IteraError } from '../core/errors.ts';

/** A numeric axis. */
export interface NumericAxis {
  readonly name: string;
  /** Shown behind the name in brackets. */
  readonly unit?: string;
  /** Default linear; a logarithmic axis takes only values above 0. */
  readonly scale?: 'linear' | 'log';
}

/** What every chart takes. */
export interface ChartOptions {
  /** Stands above the chart and names it for screen readers. */
  readonly title: string;
  /** What the chart shows, in words, for who does not see it; by default made from the data. */
  readonly description?: string;
  /** Tells the ids inside the SVG from those of other charts on the page. Default: the title. */
  readonly id?: string;
  /** In pixels of the SVG's own coordinates; it scales to the width of its place. Default 760. */
  readonly width?: number;
}

/** The axis name with its unit and, where it matters, its scale. */
export function describeAxis({ name, unit, scale }: NumericAxis): string {
  const notes = [unit, scale === 'log' ? 'log scale' : undefined].filter((note) => note !== undefined);
  return notes.length === 0 ? name : `${name} (${notes.join(', ')})`;
}

/** The options of an ECharts axis for `axis`, in text and lines that follow the surrounding text colour. */
export function numericAxis(axis: NumericAxis) {
  return {
    type: axis.scale === 'log' ? ('log' as const) : ('value' as const),
    name: describeAxis(axis),
    nameLocation: 'middle' as const,
    nameTextStyle: { color: 'currentColor', fontSize: 12 },
    axisLabel: { color: 'currentColor', fontSize: 12, hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: 'currentColor', opacity: 0.6 } },
    axisTick: { show: true, lineStyle: { color: 'currentColor', opacity: 0.6 } },
    splitLine: { show: true, lineStyle: { color: 'currentColor', opacity: 0.15 } },
    minorTick: { show: false },
    minorSplitLine: { show: false },
  };
}

/**
 * Refuses what cannot be drawn.
 *
 * @throws {@link IteraError} `INVALID_ARGUMENT` if the value is not finite, or not above 0 on a logarithmic axis.
 */
export function checkValue(value: number, axis: NumericAxis, place: string): void {
  if (Number.isFinite(value) && (axis.scale !== 'log' || value > 0)) return;
  const expected = axis.scale === 'log' ? 'a finite number above 0, for a logarithmic axis,' : 'a finite number';
  throw new IteraError('INVALID_ARGUMENT', `Expected ${expected} in ${place}, got ${value}.`, { value, place });
}

/** A number in at most four significant digits, for labels and descriptions. */
export function formatNumber(value: number): string {
  const rounded = Number(value.toPrecision(4));
  return rounded !== 0 && (Math.abs(rounded) >= 1e9 || Math.abs(rounded) < 1e-4)
    ? rounded.toExponential()
    : rounded.toLocaleString('en-US', { maximumFractionDigits: 8 });
}

/** Room for a text of this many characters at 12 pixels, for margins. */
export function estimateWidth(text: string): number {
  return Math.ceil([...text].length * 6.7);
}
