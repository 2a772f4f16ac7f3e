import { CustomChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type ChartOptions, defaultWidth, wrapTitle } from './axis.ts';

echarts.use([CustomChart, GridComponent, SVGRenderer]);

/** The reader's own interface font. */
export const fontFamily = 'system-ui, sans-serif';

/** Text follows the page; in a file of its own the image follows the reader's light or dark setting. */
const style =
  '<style>.itera-chart{color:#1f2328}' +
  '@media (prefers-color-scheme:dark){.itera-chart{color:#e6edf3}}' +
  '@media print{.itera-chart{color:#1f2328}}</style>';

/** What one drawn value says of itself to who points at it; marks are numbered by their place in the chart's data. */
export interface Mark {
  readonly text: string;
  /** The series it belongs to, where there are several. */
  readonly series?: string;
}

/**
 * Draws ECharts options as SVG text with a name and a description for screen readers. Everything that stands for one datum
 * of the option's only series is one `<g data-mark="index">` with its text as `<title>`. Equal options give equal text.
 *
 * @param chart - `height` in the same pixels as the width.
 */
export function renderSvg(
  option: echarts.EChartsCoreOption,
  chart: ChartOptions & { readonly description: string; readonly height: number; readonly marks: readonly Mark[] },
): string {
  const { title, height, width = defaultWidth } = chart;
  const instance = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    instance.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily, color: 'currentColor' },
      ...option,
    });
    return finish(instance.renderToSVGString({ useViewBox: true }), { ...chart, id: slug(chart.id ?? title) });
  } finally {
    instance.dispose();
  }
}

/**
 * ECharts numbers its charts through a process and writes coordinates to the last bit, which differs between machines;
 * its classes and style sheet serve only a pointer hovering, which still images do not have.
 */
function finish(
  svg: string,
  chart: ChartOptions & { readonly id: string; readonly description: string; readonly marks: readonly Mark[] },
): string {
  const { id, title, description, marks, width } = chart;
  const still = svg
    .replace(/<style[^>]*>.*?<\/style>\s*/s, '')
    .replace(/<[^>]+>/g, (tag) =>
      tag
        .replace(/ (?:class|pointer-events|ecmeta_(?!data_index)\w+)="[^"]*"/g, '')
        .replace(/\bzr\d+-c(\d+)/g, `${id}-c$1`)
        .replace(/-?\d*\.\d+(?:e[+-]?\d+)?/g, (number) => `${Math.round(Number(number) * 100) / 100 + 0}`)
        .replace(/ +>$/, '>'),
    )
    .replace(/[ \t]+$/gm, '')
    .trim();
  const name = escapeXml(title);
  const heading = wrapTitle(title, width)
    .map(
      (line, index) =>
        `<text x="0" y="${14 + 19 * index}" style="font-size:15px;font-weight:bold;font-family:${fontFamily}" fill="currentColor">${escapeXml(line)}</text>\n`,
    )
    .join('');
  const whole = groupMarks(still, marks).replace(
    /^<svg([^>]*)>/,
    (_, attributes: string) =>
      `<svg class="itera-chart" role="img" aria-label="${name}"${attributes}>\n` +
      `<title>${name}</title>\n<desc>${escapeXml(description)}</desc>\n${style}\n${heading}`,
  );
  // Control characters are not allowed in XML, not even as references.
  return whole.replace(/[^\P{Cc}\t\n\r]/gu, '');
}

/** Only shapes carry the number of their datum; a text belongs to the shapes before it, as axes are drawn first. */
function groupMarks(svg: string, marks: readonly Mark[]): string {
  let open = -1;
  const grouped = svg.replace(/<(?!svg|g\b)(\w+)\b([^>]*)>.*?<\/\1>/gs, (whole, _, attributes: string) => {
    const index = Number(/ ecmeta_data_index="(\d+)"/.exec(attributes)?.[1] ?? open);
    const element = whole.replace(/ ecmeta_data_index="\d+"/, '');
    if (index === open) return element;
    const end = open < 0 ? '' : '</g>\n';
    open = index;
    const { text, series } = marks[index] as Mark;
    const name = series === undefined ? '' : ` data-series="${escapeXml(series)}"`;
    return `${end}<g data-mark="${index}"${name}><title>${escapeXml(text)}</title>\n${element}`;
  });
  return open < 0 ? grouped : grouped.replace(/<defs|<\/svg>/, (next) => `</g>\n${next}`);
}

/** Any text as an id: lower-case letters, digits and hyphens, starting with a letter. */
function slug(text: string): string {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return ['chart', ...words].join('-');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => entities[mark] as string);
}
