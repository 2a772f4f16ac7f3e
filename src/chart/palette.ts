/**
 * Colours of series: blue, vermilion and bluish green of Okabe and Ito, then purple, ochre and grey. Each has a
 * contrast of at least 3 to 1 with white and with a dark page (#0d1117), as WCAG 2.2 asks of graphics (1.4.11).
 *
 * @see Okabe & Ito 2008, "Color Universal Design".
 */
export const palette = ['#0072B2', '#D55E00', '#009E73', '#C4699B', '#A67C00', '#7F7F7F'] as const;

/** Second means to tell series apart, for who cannot tell their colours apart. */
const dashes: readonly ('solid' | 'dashed' | 'dotted' | number[])[] = ['solid', 'dashed', 'dotted', [10, 3, 2, 3]];

const symbols = ['circle', 'rect', 'triangle', 'diamond'] as const;

/** Colour, line pattern and point shape of the series at `index`; combinations repeat only after twelve. */
export function seriesLook(index: number) {
  return {
    color: palette[index % palette.length] as string,
    dash: dashes[index % dashes.length] as 'solid' | 'dashed' | 'dotted' | number[],
    symbol: symbols[index % symbols.length] as string,
  };
}
