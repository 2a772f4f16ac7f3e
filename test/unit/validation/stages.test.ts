import { describe, expect, it } from 'vitest';
import { IteraError } from '../../../src/core/errors.ts';
import type { MeasurementRecord } from '../../../src/core/measurement.ts';
import type { Stage, StageProgress, StageResult } from '../../../src/validation/stage.ts';
import { runStages } from '../../../src/validation/stages.ts';

const record = (id: string): MeasurementRecord => ({
  ...{
    id,
    subject: 'a',
    metric: 'load_ms',
    unit: 'ms',
    method: 'm',
    conditions: {},
    status: 'measured',
    value: 1,
    n: 1,
  },
});

const stage = (id: string, run: Stage['run'] = async () => ({ records: [record(id)] })): Stage => ({
  ...{ id, name: `the stage ${id}`, expectedS: 1, run },
});

const failing = (id: string, error: unknown): Stage => stage(id, () => Promise.reject(error));

describe('runStages', () => {
  it('collects what its stages found, in their order, and leaves out those that an option leaves out', async () => {
    const never = { ...failing('c', new Error('was run')), leftOutBy: '--no-c' };
    const found = await runStages(
      [
        stage('a'),
        never,
        stage('b', async () => ({ findings: ['It holds.'], failures: ['It fails.'], hashes: { x: 'y' } })),
      ],
      {},
    );
    expect(found).toMatchObject({
      records: [{ id: 'a' }],
      findings: ['It holds.'],
      failures: ['It fails.'],
      hashes: { x: 'y' },
    });
    expect(found.stages).toEqual([
      { id: 'a', name: 'the stage a', status: 'done', seconds: expect.any(Number) },
      { id: 'c', name: 'the stage c', status: 'notRun', reason: expect.stringMatching(/^Left out by --no-c\./) },
      { id: 'b', name: 'the stage b', status: 'done', seconds: expect.any(Number) },
    ]);
  });

  it.each<[error: unknown, says: RegExp]>([
    [new IteraError('RUNTIME_FAILED', 'It broke. Mend it.'), /^RUNTIME_FAILED: It broke\. Mend it\. .*--resume/],
    [new TypeError('x is undefined'), /^Unexpected fault: TypeError: x is undefined\. .*report/],
    ['a string', /^Unexpected fault: a string/],
  ])('contains %s, and runs the others', async (error, says) => {
    const { stages, records, failures } = await runStages([failing('a', error), stage('b')], {});
    expect(stages).toMatchObject([{ status: 'failed', reason: expect.stringMatching(says) }, { status: 'done' }]);
    expect(records).toHaveLength(1);
    expect(failures).toEqual([`Not done, because it failed: the stage a. ${stages[0]?.reason}`]);
  });

  it('contains a result that does not fit the report', async () => {
    const check = ({ findings = [] }: StageResult) => {
      if (findings.length > 0) throw new IteraError('RECORD_INVALID', 'Not this.');
    };
    const { stages, findings } = await runStages([stage('a', async () => ({ findings: ['?'] })), stage('b')], {
      check,
    });
    expect(stages.map(({ status }) => status)).toEqual(['failed', 'done']);
    expect(findings).toEqual([]);
  });

  it('throws what the first stage threw if nothing was measured or written', async () => {
    const absent = stage('b', async () => ({ findings: ['Nothing.'] }));
    const ended = runStages([failing('a', new IteraError('MODEL_INVALID', 'No.')), absent], {});
    await expect(ended).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('stops between stages and within one, whatever an interrupt makes that stage throw', async () => {
    const between = new AbortController();
    const begun: string[] = [];
    const ended = runStages(
      [
        stage('a', async () => {
          between.abort();
          return {};
        }),
        stage('b', async () => ({ findings: [String(begun.push('b'))] })),
      ],
      { signal: between.signal },
    );
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED' });
    expect(begun).toEqual([]);
    const within = new AbortController();
    const broken = stage('a', async () => {
      within.abort();
      throw new Error('the process ended');
    });
    await expect(runStages([broken], { signal: within.signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('says where it is among those that are run', async () => {
    const told: StageProgress[] = [];
    const saying = stage('b', async (say) => {
      say('half', 0.5);
      return {};
    });
    const stages = [stage('a'), { ...stage('x'), leftOutBy: '--no-x' }, saying];
    await runStages(stages, { onProgress: (at) => told.push(at) });
    expect(told.map(({ name, detail, place, total }) => [name, detail, place, total])).toEqual([
      ['the stage a', undefined, 1, 2],
      ['the stage b', undefined, 2, 2],
      ['the stage b', 'half', 2, 2],
    ]);
    expect(told[2]?.share).toBeCloseTo(0.75, 5);
  });
});
