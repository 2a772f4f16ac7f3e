import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { layers } from '../../../.dependency-cruiser.mjs';

const folders = layers.flat().join('|');
const named = new RegExp(`\`((?:src/)?(?:${folders})/[\\w./-]*)\``, 'g');

it.each(readdirSync('docs/contributing'))('docs/contributing/%s names files that exist', (page) => {
  const text = readFileSync(`docs/contributing/${page}`, 'utf8');
  // What a page lets its reader write does not exist yet.
  const written = [...text.matchAll(/^```\w+ (\S+)$/gm)].map(([, path]) => path);
  const paths = [...text.matchAll(named)].map(([, path = '']) => (path.startsWith('src/') ? path : `src/${path}`));
  expect(paths.filter((path) => !written.includes(path) && !existsSync(path))).toEqual([]);
});
