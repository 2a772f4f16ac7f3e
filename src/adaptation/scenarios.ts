import { fileURLToPath } from 'node:url';

/** Feedback that comes with the package: a name and its facts, a style, and a phrase that is not wanted. */
export const scenarios = ['name', 'style', 'phrase'] as const;

export type Scenario = (typeof scenarios)[number];

/** The scenario's file of JSON lines. From src/adaptation and dist/adaptation alike, the root is two folders up. */
export const scenarioFile = (scenario: Scenario): string =>
  fileURLToPath(new URL(`../../texts/feedback/${scenario}.jsonl`, import.meta.url));
