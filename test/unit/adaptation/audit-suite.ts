import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSession } from '../../../src/adaptation/store/audit-log.ts';
import { toStorableJson } from '../../../src/adaptation/store/canonical-json.ts';
import { run, type SuiteStore } from './suite-store.ts';

/** The audit log of all that went before. */
export function describeAudit(suite: SuiteStore): void {
  describe('audit log', () => {
    it('keeps any detail as it was', async () => {
      const session = createSession(suite.database);
      const details = fc.sample(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ noUnicodeString: false })),
        {
          numRuns: 100,
          seed: 5,
        },
      );
      await session.change(async ({ audit }) => {
        for (const detail of details) await audit('test', detail);
      });
      expect((await suite.store.readAudit()).slice(-100).map(({ detail }) => detail)).toEqual(
        details.map(toStorableJson),
      );
      expect((await suite.store.verifyAudit()).fault).toBeUndefined();
    });

    it('has no gap where many change at once', async () => {
      const { sequence } = await suite.lastAction();
      const changes = Array.from({ length: 20 }, (_, index) =>
        suite.store.addFeedback([{ prompt: `${index}`, output: 'o', rating: 3, client: 'crowd' }]),
      );
      await Promise.all(changes);
      expect((await suite.lastAction()).sequence).toBe(sequence + 20);
      const times = (await suite.store.readAudit()).slice(-20).map(({ at }) => at);
      expect(new Set(times).size).toBe(20);
      expect(times).toEqual(times.toSorted());
    });

    it('shows every fault', async () => {
      const { entries } = await suite.store.verifyAudit();
      await suite.execute('create table itera_lite.copy as select * from itera_lite.audit');
      const faultOf = async (text: string) => {
        for (const statement of text.split(';')) await suite.execute(statement);
        const { fault } = await suite.store.verifyAudit();
        await suite.execute('truncate itera_lite.audit');
        await suite.execute('insert into itera_lite.audit select * from itera_lite.copy');
        return fault;
      };
      const change = (to: string, where = 'sequence = 3') =>
        faultOf(`update itera_lite.audit set ${to} where ${where}`);
      const edited = { sequence: 3, problem: 'Its content is not what was recorded.' };
      expect(await change("at = at + interval '1 ms'")).toEqual(edited);
      expect(await change("at = 'infinity'")).toEqual(edited);
      expect(await change("action = action || ' '")).toEqual(edited);
      expect(await change(`detail = detail || '{"x": 1}'`)).toEqual(edited);
      expect(await change(`detail = '{}'`)).toEqual(edited);
      expect(await change(`hash = md5('x')`)).toEqual(edited);
      expect(await change(`previous = md5('x')`)).toMatchObject({ sequence: 3, problem: /does not follow/ });
      expect(await change('sequence = -3')).toMatchObject({ sequence: -3 });
      expect(await change(`sequence = ${entries + 1}`)).toEqual({ sequence: 3, problem: 'The entry is missing.' });
      const swap = 'sequence = case sequence when -4 then 3 else 4 end';
      expect(
        await faultOf(
          `update itera_lite.audit set sequence = -sequence where sequence in (3, 4);
           update itera_lite.audit set ${swap} where sequence < 0`,
        ),
      ).toMatchObject({ sequence: 3 });
      expect(await faultOf('delete from itera_lite.audit where sequence = 1')).toMatchObject({ sequence: 1 });
      expect(await faultOf('delete from itera_lite.audit where sequence = 3')).toMatchObject({ sequence: 3 });
      expect(await faultOf(`delete from itera_lite.audit where sequence > ${entries - 2}`)).toEqual({
        sequence: entries - 1,
        problem: 'The newest entries are missing.',
      });
      expect(await faultOf('truncate itera_lite.audit')).toMatchObject({ sequence: 1 });
      const added = `select ${entries + 1}, at, action, detail, hash, hash from itera_lite.audit where sequence = ${entries}`;
      expect(await faultOf(`insert into itera_lite.audit ${added}`)).toMatchObject({ sequence: entries + 1 });
      expect(await suite.store.verifyAudit()).toEqual({ entries });
      await suite.execute('create table itera_lite.head as select * from itera_lite.audit_head');
      for (const [statement, problem] of [
        [`update itera_lite.audit_head set hash = md5('x')`, /not the newest entry that was recorded/],
        ['update itera_lite.audit_head set sequence = sequence + 1', /newest entries are missing/],
        ['delete from itera_lite.audit_head', /record of the newest entry is missing/],
      ] as const) {
        await suite.execute(statement);
        expect((await suite.store.verifyAudit()).fault).toMatchObject({ problem: expect.stringMatching(problem) });
        await suite.execute('delete from itera_lite.audit_head');
        // Without its head, the log takes no entries.
        await expect(suite.store.startRun(run)).rejects.toMatchObject({ code: 'STORE_INVALID' });
        await suite.execute('insert into itera_lite.audit_head select * from itera_lite.head');
      }
      expect(await suite.store.verifyAudit()).toEqual({ entries });
      await suite.execute('drop table itera_lite.head');
      await suite.execute('drop table itera_lite.copy');
    });
  });
}
