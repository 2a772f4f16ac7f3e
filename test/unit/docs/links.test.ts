import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
].filter((path) => path.endsWith('.md'));

const withoutBlocks = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '');

/** The anchors that GitHub gives a page's headings. */
function anchorsOf(path: string): string[] {
  const headings = withoutBlocks(readFileSync(path, 'utf8')).matchAll(/^#+ (.*)$/gm);
  return [...headings].map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** What a page links to, without other sites. */
function linksOf(path: string): string[] {
  const links = withoutBlocks(readFileSync(path, 'utf8')).matchAll(/\]\(([^)\s]+)\)/g);
  return [...links].map(([, target = '']) => target).filter((target) => !/^https?:/.test(target));
}

describe.each(pages.filter((path) => linksOf(path).length > 0))('%s', (page) => {
  it.each(linksOf(page))('links to %s, which exists', (link) => {
    const [file = '', anchor] = link.split('#');
    const path = file === '' ? page : join(dirname(page), decodeURI(file));
    expect(existsSync(path), path).toBe(true);
    if (anchor !== undefined) expect(anchorsOf(path)).toContain(anchor);
  });
});
