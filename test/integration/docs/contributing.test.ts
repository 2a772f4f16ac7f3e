import { readdirSync } from 'node:fs';
import { describe } from 'vitest';
import { testPage } from './page-tests.ts';

describe.each(readdirSync('docs/contributing').map((name) => `docs/contributing/${name}`))('%s', (path) =>
  testPage(path),
);
