/** Text that is already HTML. Only {@link html} and {@link trustedMarkup} make it, so that nothing is left unescaped. */
class Html {
  readonly #markup: string;

  constructor(markup: string) {
    this.#markup = markup;
  }

  toString(): string {
    return this.#markup;
  }
}

export type { Html };

/** What may stand in a template: nested HTML is kept, text is escaped, undefined leaves nothing. */
export type HtmlPart = Html | string | number | undefined | readonly HtmlPart[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Builds HTML from a template literal and escapes every text put into it, for content and quoted attributes alike. */
export function html(literals: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return new Html(literals.reduce((markup, literal, index) => markup + render(parts[index - 1]) + literal));
}

/** Declares markup of our own, such as a chart, to be HTML as it is. */
export function trustedMarkup(markup: string): Html {
  return new Html(markup);
}

function render(part: HtmlPart): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'object') return part.map(render).join('');
  // Control characters other than white space are not allowed in HTML, not even as references.
  return String(part)
    .replace(/[^\P{Cc}\t\n\r]/gu, '')
    .replace(/[&<>"']/g, (mark) => entities[mark] as string);
}
