import { describe, expect, it } from 'vitest';
import { type SuiteStore, unknownId } from './suite-store.ts';

/** Feedback and the inferences that it is about. */
export function describeFeedback(suite: SuiteStore): void {
  describe('feedback', () => {
    it('comes back as it was given, in its order', async () => {
      const full = {
        prompt: 'Who?\n',
        output: 'Grüße 😀',
        rating: 2,
        correct: false,
        correction: 'Nobody.',
        comment: "it's '; drop table",
        client: 'round',
        tags: ['a', 'b,"{}'],
        version: 'v1',
      };
      const { ids, duplicates } = await suite.store.addFeedback([
        full,
        { prompt: '', correction: 'x', client: 'round' },
      ]);
      expect({ count: ids.length, duplicates }).toEqual({ count: 2, duplicates: 0 });
      const listed = await suite.store.listFeedback({ client: 'round' });
      const createdAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(listed).toEqual([
        { ...full, id: ids[0], createdAt },
        { prompt: '', correction: 'x', client: 'round', id: ids[1], createdAt },
      ]);
      expect(Math.abs(Date.parse(listed[0]!.createdAt) - Date.now())).toBeLessThan(60_000);
      expect(await suite.lastAction()).toMatchObject({
        action: 'addFeedback',
        detail: { count: 2, duplicates: 0, ids },
      });
      expect(JSON.stringify(await suite.lastAction())).not.toContain('Nobody');
    });

    it('is not kept twice', async () => {
      const item = { prompt: 'p', output: 'o', rating: 4, client: 'twice' };
      const { ids } = await suite.store.addFeedback([item, item]);
      const { sequence } = await suite.lastAction();
      expect(ids).toHaveLength(1);
      expect(await suite.store.addFeedback([{ ...item, comment: 'again', tags: ['new'] }])).toEqual({
        ids: [],
        duplicates: 1,
      });
      expect((await suite.lastAction()).sequence).toBe(sequence);
      const others = [
        { ...item, rating: 5 },
        { ...item, output: 'O' },
        { ...item, client: 'twice2' },
      ];
      expect(await suite.store.addFeedback([item, ...others])).toMatchObject({ duplicates: 1, ids: { length: 3 } });
      expect(await suite.store.addFeedback([])).toEqual({ ids: [], duplicates: 0 });
    });

    it('is counted by what it says, and the last of it shown', async () => {
      const before = await suite.store.summarizeFeedback(0);
      const item = { prompt: 'p', output: 'o', client: 'counted', version: 'v70' };
      await suite.store.addFeedback([
        { ...item, rating: 1 },
        { ...item, rating: 3, correction: 'better' },
        { ...item, correct: true, correction: 'o' },
        { ...item, rating: 5, correct: false },
      ]);
      const { recent, ratings, versions, ...after } = await suite.store.summarizeFeedback(2);
      expect(after).toEqual({
        total: before.total + 4,
        negative: before.negative + 2,
        corrections: before.corrections + 2,
      });
      const more = [1, 2, 3, 4, 5].map((rating) => (ratings[rating] ?? 0) - (before.ratings[rating] ?? 0));
      expect(more).toEqual([1, 0, 1, 0, 1]);
      expect(versions).toContainEqual({ version: 'v70', total: 4, negative: 2 });
      expect(recent).toMatchObject([{ rating: 5 }, { correct: true, correction: 'o' }]);
      expect(before.recent).toEqual([]);
    });

    it('is kept all or nothing, many thousands at once', async () => {
      const items = Array.from({ length: 2500 }, (_, index) => ({
        ...{ prompt: `${index}`, output: 'o', correct: true, client: 'many' },
      }));
      await expect(suite.store.addFeedback([...items, { prompt: 'p', output: 'o' }])).rejects.toMatchObject({
        code: 'FEEDBACK_INVALID',
        message: expect.stringMatching(/judgement in feedback 2501/),
      });
      await expect(
        suite.store.addFeedback([...items, { prompt: 'p', inferenceId: unknownId, rating: 1 }]),
      ).rejects.toMatchObject({ code: 'FEEDBACK_INVALID' });
      expect(await suite.store.listFeedback({ client: 'many' })).toEqual([]);
      await suite.store.addFeedback(items);
      expect((await suite.store.listFeedback({ client: 'many' })).map(({ prompt }) => prompt)).toEqual(
        items.map(({ prompt }) => prompt),
      );
    });

    it.each([
      ['a NUL character', { prompt: 'a\0', output: 'o', rating: 1 }, /as prompt of feedback 1, got a NUL character/],
      ['half a character', { prompt: 'p', output: '\ud800', rating: 1 }, /as output of feedback 1, got half/],
      ['such a tag', { prompt: 'p', output: 'o', rating: 1, tags: ['\0'] }, /as a tag of feedback 1/],
      ['an empty client', { prompt: 'p', output: 'o', rating: 1, client: '' }, /1 to 200 characters as client/],
      ['a long version', { prompt: 'p', output: 'o', rating: 1, version: 'v'.repeat(201) }, /as version .* got 201/],
      ['rating 0', { prompt: 'p', output: 'o', rating: 0 }, /1 to 5 as rating of feedback 1, got 0/],
      ['rating 2.5', { prompt: 'p', output: 'o', rating: 2.5 }, /got 2.5/],
      ['no output', { prompt: 'p', rating: 2 }, /Expected an output/],
      ['no UUID', { prompt: 'p', rating: 2, inferenceId: 'no' }, /recorded inference in feedback 1, got "no"/],
    ])('with %s is refused', async (_, item, message) => {
      await expect(suite.store.addFeedback([item])).rejects.toMatchObject({
        code: 'FEEDBACK_INVALID',
        message: expect.stringMatching(message),
      });
    });

    it('on an inference takes prompt, output, client and version from it', async () => {
      const inference = { prompt: 'asked', output: 'said', client: 'inferred', version: 'v1', promptTokens: 3 };
      const inferenceId = await suite.store.recordInference(inference);
      await suite.store.addFeedback([{ prompt: 'other', client: 'else', inferenceId, rating: 1 }]);
      const { prompt, output, client, version } = inference;
      expect(await suite.store.listFeedback({ client })).toMatchObject([
        { prompt, output, client, version, inferenceId },
      ]);
      expect(await suite.store.listFeedback({ client: 'else' })).toEqual([]);
      await expect(suite.store.recordInference({ ...inference, output: '\0' })).rejects.toMatchObject({
        code: 'FEEDBACK_INVALID',
      });
      await expect(suite.store.recordInference({ ...inference, outputTokens: -1 })).rejects.toMatchObject({
        code: 'FEEDBACK_INVALID',
      });
    });

    it('is listed and deleted by id, client, tag, version and moment', async () => {
      const item = { prompt: 'p', rating: 3, client: 'filter' };
      const inferenceId = await suite.store.recordInference({ prompt: 'p', output: 'inferred', client: 'filter' });
      await suite.store.addFeedback([
        { ...item, output: '1', tags: ['x', 'y'] },
        { ...item, output: '2', version: 'v9' },
        { ...item, inferenceId },
      ]);
      const [first] = await suite.store.listFeedback({ client: 'filter' });
      const {
        ids: [later],
      } = await suite.store.addFeedback([{ ...item, output: '3', tags: ['y'] }]);
      const outputs = async (filter: object) =>
        (await suite.store.listFeedback({ client: 'filter', ...filter })).map(({ output }) => output);
      expect(await outputs({ tag: 'y' })).toEqual(['1', '3']);
      expect(await outputs({ version: 'v9' })).toEqual(['2']);
      expect(await outputs({ since: first!.createdAt })).toEqual(['3']);
      expect(await outputs({ ids: [later, first!.id, unknownId, 'no id'] })).toEqual(['1', '3']);
      expect(await outputs({ ids: [] })).toEqual([]);
      await expect(outputs({ since: 'soon' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(outputs({ tag: '\0' })).rejects.toMatchObject({ code: 'FEEDBACK_INVALID' });
      const { sequence } = await suite.lastAction();
      expect(await suite.store.deleteFeedback({ client: 'filter', tag: 'none' })).toBe(0);
      expect((await suite.lastAction()).sequence).toBe(sequence);
      expect(await suite.store.deleteFeedback({ client: 'filter', tag: 'y' })).toBe(2);
      expect(await suite.lastAction()).toMatchObject({
        action: 'deleteFeedback',
        detail: { count: 2, inferences: [] },
      });
      // Of the whole client, what it asked goes too.
      expect(await suite.store.deleteFeedback({ client: 'filter' })).toBe(2);
      expect(await suite.lastAction()).toMatchObject({ detail: { count: 2, inferences: [inferenceId] } });
      expect(JSON.stringify(await suite.lastAction())).not.toContain('filter');
      expect(await suite.execute("select from itera_lite.inferences where client = 'filter'")).toEqual([]);
    });

    it('counts as a judgement on a version, in its order', async () => {
      const item = { prompt: 'p', version: 'v77', client: 'live' };
      await suite.store.addFeedback([
        { ...item, output: '1', rating: 1 },
        { ...item, output: '2', rating: 5 },
        { ...item, output: '3', rating: 5, correct: false },
        { ...item, output: '4', correction: 'four' },
      ]);
      expect(await suite.store.liveJudgements('v77')).toEqual({ version: 'v77', bad: [true, false, true] });
      expect(await suite.store.liveJudgements('v78')).toEqual({ version: 'v78', bad: [] });
    });
  });
}
