import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  answersOf,
  type FeedbackLine,
  runsOf,
  scenarioSeed,
  wordsOf,
  writeScenarios,
} from '../../../scripts/write-feedback-scenarios.ts';

const written = writeScenarios(scenarioSeed);
const fields = ['prompt', 'output', 'rating', 'correct', 'correction', 'comment', 'client', 'tags'];
const held = ['texts/stories/test.txt', 'texts/articles/test.txt'].map((file) => readFileSync(file, 'utf8'));
const heldRuns = new Set(held.flatMap((text) => runsOf(text, 8)));

function linesOf(name: string): FeedbackLine[] {
  const rows = (written[name] ?? '').trimEnd().split('\n');
  return rows.map((row) => JSON.parse(row) as FeedbackLine);
}

/** Runs of five words of a line's prompt that another line has too. */
function sharedRuns(lines: readonly FeedbackLine[]): string[] {
  const owners = new Map<string, Set<number>>();
  for (const [index, line] of lines.entries()) {
    for (const run of [line.prompt, ...answersOf(line)].flatMap((text) => runsOf(text, 5))) {
      owners.set(run, (owners.get(run) ?? new Set()).add(index));
    }
  }
  return lines.flatMap((line) => runsOf(line.prompt, 5)).filter((run) => (owners.get(run)?.size ?? 0) > 1);
}

it('makes three scenarios, other ones from another seed', () => {
  expect(Object.keys(written)).toEqual(['name', 'style', 'phrase']);
  expect(writeScenarios(scenarioSeed + 1)['name']).not.toBe(written['name']);
});

it('gives no two lines of the scenarios a common run of words in a prompt', () => {
  expect(sharedRuns(Object.keys(written).flatMap(linesOf))).toEqual([]);
});

describe.each(Object.keys(written))('%s.jsonl', (name) => {
  const lines = linesOf(name);

  it('is what the script writes, byte for byte', () => {
    expect(readFileSync(`texts/feedback/${name}.jsonl`, 'utf8')).toBe(written[name]);
  });

  it('has 240 different lines in ASCII', () => {
    expect(new Set(written[name]?.trimEnd().split('\n')).size).toBe(240);
    expect(written[name]).toMatch(/^[\x20-\x7e\n]+$/);
  });

  it('has ten lines of each of 24 clients', () => {
    const counts = new Map<string, number>();
    for (const { client = '' } of lines) counts.set(client, (counts.get(client) ?? 0) + 1);
    const clients = Array.from({ length: 24 }, (_, index) => `reader-${`${index + 1}`.padStart(2, '0')}`);
    expect([...counts.keys()].sort()).toEqual(clients);
    expect(new Set(counts.values())).toEqual(new Set([10]));
  });

  it('has a judgement in every line, and no unknown fields', () => {
    for (const line of lines) {
      expect(fields).toEqual(expect.arrayContaining(Object.keys(line)));
      expect(line.rating ?? line.correct ?? line.correction).toBeDefined();
      expect(line.output ?? line.correction).toBeDefined();
    }
  });

  it('continues every prompt with a space and stays short', () => {
    for (const line of lines) {
      expect(line.prompt).toMatch(/\S$/);
      for (const answer of answersOf(line)) {
        expect(answer).toMatch(/^ \S.*\S$/);
        expect(wordsOf(line.prompt + answer).length).toBeLessThanOrEqual(60);
      }
    }
  });

  it('shares no eight words in a row with the evaluation texts', () => {
    const texts = lines.flatMap((line) => [line.prompt, ...answersOf(line)]);
    expect(texts.flatMap((text) => runsOf(text, 8)).filter((run) => heldRuns.has(run))).toEqual([]);
  });
});

describe('what the scenarios teach', () => {
  it('states a fact about the new name', () => {
    const wanted = linesOf('name').map((line) => line.correction ?? line.output ?? '');
    expect(wanted.filter((text) => !/hedgehog|under the old bridge|plums|thunder|Otto/.test(text))).toEqual([]);
  });

  it('wants a moral, with about 25 different ones', () => {
    const lines = linesOf('style');
    const morals = lines.map((line) => /The moral of the story is: (.*)\.$/.exec(line.correction ?? line.output ?? ''));
    expect(new Set(morals.map((match) => match?.[1])).size).toBe(25);
    expect(morals).not.toContain(null);
  });

  it('rates the unwanted phrase badly, wherever it stands, and only it', () => {
    for (const { output, rating, correct, correction } of linesOf('phrase')) {
      const bad = correct === false || rating === 1;
      expect(output === ' happily ever after.').toBe(bad);
      expect(`${correction} ${bad ? '' : output}`).not.toContain('happily');
    }
  });
});
