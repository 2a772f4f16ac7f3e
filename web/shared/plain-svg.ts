/**
 * A chart's SVG without inline styles, which the page's policy refuses: sizes become attributes, and the colour is that of
 * the surrounding text.
 */
export const plainSvg = (svg: string): string =>
  svg.replace(/<style>[^<]*<\/style>/g, '').replace(/ style="([^"]*)"/g, (_, style: string) => {
    const size = /(\d+)px/.exec(style)?.[1] ?? '12';
    const weight = /\bbold\b/.test(style) ? ' font-weight="600"' : '';
    return ` font-size="${size}"${weight}`;
  });
