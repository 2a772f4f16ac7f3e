import { formatNumber } from '../chart/axis.ts';
import type { Curve } from './report.ts';
import type { Table } from './table.ts';

/** Where each curve starts, its least value and where it ends: what a chart of it shows, in numbers. */
export function curveTable(curves: readonly Curve[]): Table {
  return {
    caption: 'Training curves',
    columns: [
      { title: 'Curve', kind: 'label' },
      { title: 'Unit', kind: 'label' },
      { title: 'First', kind: 'number' },
      { title: 'Least', kind: 'number' },
      { title: 'Last', kind: 'number' },
    ],
    rows: curves.flatMap(({ name, unit, points }) => {
      const [first] = points;
      if (first === undefined) return [];
      const least = points.reduce((a, b) => (b.value < a.value ? b : a));
      const last = points.at(-1) ?? first;
      const cells = [first, least, last].map(({ step, value }) => ({
        text: `${formatNumber(value)} at step ${formatNumber(step)}`,
      }));
      return [[{ text: name }, { text: unit }, ...cells]];
    }),
  };
}
