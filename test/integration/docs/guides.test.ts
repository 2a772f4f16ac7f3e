import { readdirSync } from 'node:fs';
import { testGuides } from './page-tests.ts';

// The guide to training has a file of its own, so that both can run at the same time.
const others = readdirSync('docs/guides').filter((name) => name !== 'own-text.md');
testGuides(others.map((name) => `docs/guides/${name}`));
