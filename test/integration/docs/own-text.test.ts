import { testGuides } from './page-tests.ts';

testGuides(['README.md', 'docs/guides/own-text.md']);
