import { describe, expect, it } from 'vitest';
import { base, run, type SuiteStore, unknownId } from './suite-store.ts';

/** Runs; the versions that they leave are what {@link describeDeployment} goes on with. */
export function describeRuns(suite: SuiteStore): void {
  describe('runs', () => {
    it('run one at a time and end once', async () => {
      const started = await suite.store.startRun(run);
      expect(started).toEqual({ ...run, id: started.id, status: 'running', startedAt: expect.any(String) });
      await expect(suite.store.startRun(run)).rejects.toMatchObject({
        code: 'RUN_IN_PROGRESS',
        message: expect.stringMatching(
          new RegExp(`run ${started.id} of process ${process.pid} on .*, started ${started.startedAt}`),
        ),
      });
      expect(await suite.store.failCrashedRuns()).toEqual([]);
      await suite.store.touchRun(started.id);
      const ended = await suite.store.endRun(started.id, {
        status: 'skipped',
        reason: 'a \0 reason',
        evidence: { n: [1] },
      });
      expect(ended).toEqual({
        ...started,
        ...{ status: 'skipped', reason: 'a \ufffd reason', evidence: { n: [1] }, endedAt: expect.any(String) },
      });
      expect(await suite.store.listRuns(1)).toEqual([ended]);
      for (const id of [started.id, unknownId, 'no id']) {
        await expect(suite.store.endRun(id, { status: 'failed' })).rejects.toMatchObject({ code: 'RUN_IN_PROGRESS' });
        await expect(suite.store.touchRun(id)).resolves.toBeUndefined();
      }
      await expect(suite.store.startRun({ ...run, parent: 'v99' })).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
      await expect(suite.store.startRun({ ...run, seed: 0.5 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(suite.store.listRuns(0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });

    it('end with a version and a deployment, all or nothing', async () => {
      const { id } = await suite.store.startRun(run);
      const before = await suite.store.deployment();
      const version = { ...base, id: 'v2', parent: 'v1', folder: 'v2' };
      const next = { promoted: 'v2', previous: 'v1' };
      const deployment = { action: 'promote', next, reason: 'better', evidence: { gain: 0.1 } } as const;
      const end = { status: 'promoted', version, deployment } as const;
      const wrong = [
        [{ ...end, version: { ...version, id: 'v1' } }, 'INVALID_ARGUMENT'],
        [{ ...end, version: { ...version, id: 'second' } }, 'INVALID_ARGUMENT'],
        [{ ...end, version: { ...version, parent: 'v50' } }, 'VERSION_UNKNOWN'],
        [{ ...end, deployment: { ...deployment, next: { ...next, promoted: 'v3' } } }, 'VERSION_UNKNOWN'],
        [{ ...end, deployment: { ...deployment, next: { ...next, previous: 'v0' } } }, 'DEPLOYMENT_CHANGED'],
        [
          { ...end, deployment: { ...deployment, next: { ...next, canary: { version: 'v2', share: 1 } } } },
          'INVALID_ARGUMENT',
        ],
      ] as const;
      const { sequence } = await suite.lastAction();
      for (const [change, code] of wrong) {
        await expect(suite.store.endRun(id, change)).rejects.toMatchObject({ code });
      }
      expect((await suite.lastAction()).sequence).toBe(sequence);
      expect(await suite.store.deployment()).toEqual(before);
      expect((await suite.store.listVersions()).map((each) => each.id)).toEqual(['v1']);

      expect(await suite.store.endRun(id, end)).toMatchObject({ id, status: 'promoted', candidate: 'v2' });
      expect(await suite.store.deployment()).toEqual({ ...next, since: expect.any(String) });
      expect((await suite.store.listVersions())[1]).toEqual({ ...version, runId: id, createdAt: expect.any(String) });
      const [ended, promoted] = (await suite.store.readAudit()).slice(-2);
      expect(ended).toMatchObject({ action: 'endRun', detail: { run: id, version: { id: 'v2' } } });
      expect(promoted).toMatchObject({
        action: 'promote',
        detail: { run: id, from: before, next, reason: 'better', evidence: { gain: 0.1 } },
      });
    });

    it('fail where the process is silent or has ended', async () => {
      const silent = await suite.store.startRun(run);
      await suite.execute(
        "update itera_lite.adaptation_runs set heartbeat = now() - interval '50 s' where status = 'running'",
      );
      expect(await suite.store.failCrashedRuns()).toEqual([]);
      await suite.execute(
        "update itera_lite.adaptation_runs set heartbeat = now() - interval '61 s' where status = 'running'",
      );
      await suite.store.touchRun(silent.id);
      expect(await suite.store.failCrashedRuns()).toEqual([]);
      await suite.execute(
        "update itera_lite.adaptation_runs set heartbeat = now() - interval '61 s' where status = 'running'",
      );
      expect(await suite.store.failCrashedRuns()).toEqual([silent.id]);
      expect(await suite.store.failCrashedRuns()).toEqual([]);
      await expect(suite.store.endRun(silent.id, { status: 'rejected' })).rejects.toMatchObject({
        code: 'RUN_IN_PROGRESS',
        message: expect.stringMatching(/ended as failed \(Its process \d+ on .* has not been heard of since/),
      });
      const dead = await suite.store.startRun(run);
      // The greatest number that Linux allows is 2^22.
      await suite.execute("update itera_lite.adaptation_runs set pid = 5000000 where status = 'running'");
      expect(await suite.store.failCrashedRuns()).toEqual([dead.id]);
      expect((await suite.store.listRuns(1))[0]).toMatchObject({
        status: 'failed',
        reason: /process 5000000 .* has ended/,
      });
      const elsewhere = await suite.store.startRun(run);
      await suite.execute("update itera_lite.adaptation_runs set pid = 5000000, host = 'far' where status = 'running'");
      expect(await suite.store.failCrashedRuns()).toEqual([]);
      await suite.store.endRun(elsewhere.id, { status: 'rejected' });
    });

    it('begin the count of bad judgements anew, unless skipped or failed', async () => {
      const start = await suite.store.startRun(run);
      const bad = (output: string) => suite.store.addFeedback([{ prompt: 'p', output, rating: 1, client: 'count' }]);
      expect(await suite.store.countNewNegative()).toBe(0);
      await bad('1');
      await suite.store.addFeedback([{ prompt: 'p', output: '2', rating: 4, client: 'count' }]);
      expect(await suite.store.countNewNegative()).toBe(1);
      await suite.store.endRun(start.id, { status: 'rejected' });
      const skipped = await suite.store.startRun(run);
      expect(await suite.store.countNewNegative()).toBe(0);
      await suite.store.endRun(skipped.id, { status: 'skipped' });
      expect(await suite.store.countNewNegative()).toBe(1);
      await bad('3');
      expect(await suite.store.countNewNegative()).toBe(2);
    });
  });
}
