import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { makePackage } from './package-folder.ts';
import { testPage } from './page-tests.ts';

const base = mkdtempSync(join(tmpdir(), 'itera-docs-package-'));
const packageFolder = join(base, 'itera-lite');
beforeAll(() => makePackage(packageFolder), 60_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const guides = readdirSync('docs/guides').map((name) => `docs/guides/${name}`);
describe.each(['README.md', ...guides])('%s', (path) => testPage(path, packageFolder));
