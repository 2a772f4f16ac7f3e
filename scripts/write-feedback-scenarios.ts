/**
 * Writes the feedback scenarios `texts/feedback/*.jsonl` from the sentence parts of `feedback-parts/`:
 * `npx tsx scripts/write-feedback-scenarios.ts`. The same seed gives the same files, byte for byte.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { createRandom, permutation, type Random } from '../src/core/random.ts';
import { nameComments, nameOpenings, nameTopics } from './feedback-parts/name-parts.ts';
import { phraseComments, phraseEndings, phraseEvents, phraseLeads } from './feedback-parts/phrase-parts.ts';
import { styleComments, stylePlainEndings, styleThemes } from './feedback-parts/style-parts.ts';
import { createTextWriter } from './feedback-parts/text-writer.ts';

/** A line of a scenario: what somebody says of a model's output. */
export interface FeedbackLine {
  readonly prompt: string;
  readonly output?: string;
  readonly rating?: number;
  readonly correct?: boolean;
  readonly correction?: string;
  readonly comment?: string;
  readonly client?: string;
  readonly tags?: readonly string[];
}

/** The texts of one line, before it is known how the line judges. */
interface Draft {
  readonly prompt: string;
  readonly wanted: string;
  readonly unwanted: string;
  readonly comment: string;
}

/** `good`: the wanted text, rated well; `corrected`: both texts; `missing`: no output; `bad`: no correction. */
type Kind = 'good' | 'corrected' | 'missing' | 'bad';

interface Scenario {
  /** How many lines of each kind; 240 together. */
  readonly counts: Readonly<Partial<Record<Kind, number>>>;
  /** The texts of the line with this number; the number decides what may not be left to chance. */
  readonly draft: (index: number, random: Random) => Draft;
}

/** With ten lines each, no client has more than 5 percent of a file. */
const clientCount = 24;
/** No two lines may share a run of so many words where one of them is in a prompt. */
const runLength = 5;
const maximumWords = 60;
/** The seed of the files in `texts/feedback`. */
export const scenarioSeed = 20;

const scenarios: Readonly<Record<string, Scenario>> = {
  name: { counts: { good: 48, corrected: 160, missing: 32 }, draft: nameDraft },
  style: { counts: { good: 48, corrected: 160, missing: 32 }, draft: styleDraft },
  phrase: { counts: { good: 36, corrected: 168, bad: 36 }, draft: phraseDraft },
};

function pick(from: readonly string[], random: Random): string {
  return from[random.integer(from.length)] as string;
}

function nameDraft(index: number, random: Random): Draft {
  const write = createTextWriter(random);
  const topics = Object.values(nameTopics);
  const { leads, answers, wrong } = topics[index % topics.length] as (typeof topics)[number];
  return {
    prompt: `${write(pick(nameOpenings, random))} ${write(pick(leads, random))}`,
    wanted: write(` ${pick(answers, random)}`),
    unwanted: write(` ${pick(wrong, random)}`),
    comment: pick(nameComments, random),
  };
}

function styleDraft(index: number, random: Random): Draft {
  const write = createTextWriter(random);
  const { moral, stories, closings } = styleThemes[index % styleThemes.length] as (typeof styleThemes)[number];
  return {
    prompt: write(pick(stories, random)),
    wanted: write(` ${pick(closings, random)} The moral of the story is: ${moral}.`),
    unwanted: write(` ${pick(stylePlainEndings, random)}`),
    comment: pick(styleComments, random),
  };
}

function phraseDraft(index: number, random: Random): Draft {
  const write = createTextWriter(random);
  const event = phraseEvents[index % phraseEvents.length] as string;
  const leads = phraseLeads.filter((lead) => event.includes('{animal1}') || !lead.includes('{animal1}'));
  return {
    prompt: `${write(event)} ${write(pick(leads, random))}`,
    wanted: write(` ${pick(phraseEndings, random)}`),
    unwanted: ' happily ever after.',
    comment: pick(phraseComments, random),
  };
}

/** The line's judgement of its output, in one of the ways in which people judge. */
function judgement(kind: Kind, scenario: string, random: Random): Pick<FeedbackLine, 'rating' | 'correct'> {
  if (kind === 'missing') return {};
  if (kind === 'good') return { rating: scenario === 'phrase' ? 4 + random.integer(2) : 5 };
  const ratings = scenario === 'phrase' ? 1 : 2;
  return random.integer(2) === 0 ? { correct: false } : { rating: 1 + random.integer(ratings) };
}

function lineOf(draft: Draft, kind: Kind, scenario: string, random: Random): FeedbackLine {
  const { prompt, wanted, unwanted, comment } = draft;
  return {
    prompt,
    ...(kind === 'missing' ? {} : { output: kind === 'good' ? wanted : unwanted }),
    ...judgement(kind, scenario, random),
    ...(kind === 'corrected' || kind === 'missing' ? { correction: wanted } : {}),
    ...(kind !== 'good' && random.integer(4) === 0 ? { comment } : {}),
  };
}

/** The words of a text as they are compared. */
export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];
}

/** All runs of `length` words in the text. */
export function runsOf(text: string, length: number): string[] {
  const words = wordsOf(text);
  return words.slice(length - 1).map((_, start) => words.slice(start, start + length).join(' '));
}

/** The texts of a line that are no prompt. */
export function answersOf(line: FeedbackLine): string[] {
  return [line.output, line.correction].filter((text) => text !== undefined);
}

/** Accepts a line only if its prompt shares no run of words with the lines before it, in all scenarios. */
function createLineFilter(): (line: FeedbackLine) => boolean {
  const inPrompts = new Set<string>();
  const inAnswers = new Set<string>();
  return (line) => {
    const prompt = runsOf(line.prompt, runLength);
    const answers = answersOf(line).flatMap((text) => runsOf(text, runLength));
    const longest = Math.max(...answersOf(line).map((text) => wordsOf(text).length));
    if (wordsOf(line.prompt).length + longest > maximumWords) return false;
    if (prompt.some((run) => inPrompts.has(run) || inAnswers.has(run))) return false;
    if (answers.some((run) => inPrompts.has(run))) return false;
    for (const run of prompt) inPrompts.add(run);
    for (const run of answers) inAnswers.add(run);
    return true;
  };
}

/** The first line that the filter accepts; redraws, since two lines often share parts. */
function drawLine(draw: () => FeedbackLine, accepts: (line: FeedbackLine) => boolean): FeedbackLine {
  for (let attempt = 0; attempt < 20_000; attempt++) {
    const line = draw();
    if (accepts(line)) return line;
  }
  throw new Error(`Too few sentence parts for lines such as ${JSON.stringify(draw())}`);
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return [...permutation(list.length, random)].map((index) => list[index] as T);
}

function writeScenario(name: string, random: Random, accepts: (line: FeedbackLine) => boolean): FeedbackLine[] {
  const { counts, draft } = scenarios[name] as Scenario;
  const all = Object.entries(counts).flatMap(([kind, count]) => Array<Kind>(count).fill(kind as Kind));
  const kinds = shuffled(all, random);
  const lines = kinds.map((kind, index) => drawLine(() => lineOf(draft(index, random), kind, name, random), accepts));
  return shuffled(lines, random).map((line, index) => {
    const reader = `${(index % clientCount) + 1}`.padStart(2, '0');
    return { ...line, client: `reader-${reader}`, tags: [name] };
  });
}

/** The contents of all scenario files, by the scenario's name. */
export function writeScenarios(seed: number): Record<string, string> {
  const accepts = createLineFilter();
  const files = Object.keys(scenarios).map((name, index) => {
    const lines = writeScenario(name, createRandom(seed, index), accepts);
    return [name, lines.map((line) => `${JSON.stringify(line)}\n`).join('')];
  });
  return Object.fromEntries(files);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  mkdirSync('texts/feedback', { recursive: true });
  for (const [name, content] of Object.entries(writeScenarios(scenarioSeed))) {
    writeFileSync(`texts/feedback/${name}.jsonl`, content);
  }
}
