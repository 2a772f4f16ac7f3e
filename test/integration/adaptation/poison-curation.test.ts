import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFeedbackFile } from '../../../src/adaptation/feedback-file.ts';
import { type Curation, type CurationOptions, curateFeedback } from '../../../src/adaptation/learning/curation.ts';
import { exampleRows, longestRow } from '../../../src/adaptation/learning/example-rows.ts';
import { scenarioFile } from '../../../src/adaptation/scenarios.ts';
import { openStore } from '../../../src/adaptation/store/store.ts';
import type { AdaptationStore, NewFeedback } from '../../../src/adaptation/store/store-records.ts';
import { openModel } from '../../../src/runtime/load-model-file.ts';
import { createModelTokenizer } from '../../../src/runtime/model.ts';
import { writeFeedback } from './short-feedback.ts';

let dir: string;
let honest: readonly NewFeedback[];
let store: AdaptationStore;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'itera-poison-'));
  store = await openStore(join(dir, 'store'));
  honest = (await readFeedbackFile(scenarioFile('phrase'))).items;
});
afterAll(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

/** Curates feedback that has been through a file and a store, in which nothing else is. */
async function curate(items: readonly NewFeedback[], options: CurationOptions = {}): Promise<Curation> {
  const read = await readFeedbackFile(await writeFeedback(dir, 'feedback.jsonl', items));
  await store.deleteFeedback({});
  await store.addFeedback(read.items);
  return curateFeedback(await store.listFeedback(), options);
}

const texts = ({ training, stopping, heldOut }: Curation) =>
  [...training, ...stopping, ...heldOut].map(({ prompt, wanted, unwanted }) => ({ prompt, wanted, unwanted }));

/** The opposite of what is said of an output, and of a correction, twice each with other spaces. */
function flip({ prompt, output, correction, ...said }: NewFeedback): readonly NewFeedback[] {
  const isGood = said.correct === true || (said.rating ?? 0) >= 4;
  const lies = [
    ...(output === undefined ? [] : [{ prompt, output, correct: !isGood }]),
    ...(correction === undefined ? [] : [{ prompt, output: correction, correct: false }]),
  ];
  return lies.flatMap((lie) =>
    ['', '  '].map((space) => ({
      ...{ ...lie, prompt: `${space}${lie.prompt.replaceAll(' ', ` ${space}`)}${space}`, client: 'liar' },
      output: `${lie.output}${space}`,
    })),
  );
}

describe('flipped labels of one client', () => {
  const lies = (): readonly NewFeedback[] => honest.flatMap(flip);

  it('teach nothing, however often they are repeated', async () => {
    const { dropped, ...parts } = await curate([...honest, ...lies()]);
    const good = new Set(texts(await curate(honest)).map(({ wanted }) => wanted));
    expect(dropped.superseded).toBe(lies().length / 2);
    expect([...parts.training, ...parts.stopping, ...parts.heldOut].filter(({ client }) => client === 'liar')).toEqual(
      [],
    );
    for (const { wanted, unwanted } of texts({ dropped, ...parts })) {
      if (wanted !== undefined) expect(good.has(wanted)).toBe(true);
      expect(good.has(unwanted)).toBe(unwanted === undefined);
    }
  });

  it('change nothing where two others agree', async () => {
    const agreed = honest.flatMap((item) => [item, { ...item, client: 'second' }]);
    // Two clients say everything here, and their share would limit them.
    const options = { clientShare: 1 };
    const [before, after] = [await curate(agreed, options), await curate([...agreed, ...lies()], options)];
    expect(texts(after)).toEqual(texts(before));
  });
});

describe('very long feedback', () => {
  it('is left out, so that there is no more to learn than without it', async () => {
    const long = 'all work and no play '.repeat(1000).slice(0, 20_000);
    const abuse = Array.from({ length: 60 }, (_, at): NewFeedback[] => {
      const said = { client: `client-${at}`, rating: 5 };
      return [
        { ...said, prompt: `${at} ${long.slice(4)}`, output: ' x' },
        { ...said, prompt: `${at}`, output: long },
        { ...said, prompt: `${at}`, output: ' y', correction: long },
      ];
    }).flat();
    const [without, found] = [await curate(honest), await curate([...abuse, ...honest])];
    expect(found.dropped).toEqual({ ...without.dropped, tooLong: 180 });
    expect(texts(found)).toEqual(texts(without));
    const longer = await writeFeedback(dir, 'longer.jsonl', [{ prompt: `${long}!`, output: ' x', rating: 5 }]);
    await expect(readFeedbackFile(longer)).rejects.toMatchObject({ code: 'FEEDBACK_INVALID' });
  });

  it('is cut to the longest row where it is not left out', async () => {
    const tokenizer = createModelTokenizer(await openModel('itera-lite-micro'));
    const long = 'all work and no play '.repeat(200).slice(0, 4000);
    const [wanted, unwanted] = exampleRows(
      { id: 'a', prompt: long, wanted: long, unwanted: `${long.slice(1)}!` },
      tokenizer,
    );
    expect(wanted?.tokens).toHaveLength(longestRow);
    expect(unwanted?.tokens.length).toBeLessThanOrEqual(longestRow);
  });
});
