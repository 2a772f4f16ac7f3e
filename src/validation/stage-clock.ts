import type { Stage, StageProgress } from './stage.ts';

/** Says how far a job of stages is, by the time that they usually take. */
export interface StageClock {
  /** @param isKept - Whether its result is there already and takes no time. */
  begin(stage: Stage, isKept: boolean): void;
  /** Seconds since the stage began. */
  seconds(): number;
  /** @param share - Of the stage; without it, what its time so far suggests. */
  read(share?: number): Pick<StageProgress, 'place' | 'total' | 'share' | 'remainingS'>;
}

/** So many seconds count as if they had passed at the expected speed, so that the first moments do not decide. */
const trustedS = 10;
/** A stage is not taken for finished before it is. */
const mostOfStage = 0.95;

/** @param stages - Those that are to be run. */
export function createStageClock(stages: readonly Stage[], nowMs: () => number = () => performance.now()): StageClock {
  const totalS = stages.reduce((sum, { expectedS }) => sum + expectedS, 0);
  // Expected seconds of the stages before the current one: all, and those that took time of this session.
  const before = { all: 0, own: 0 };
  let current: { readonly stage: Stage; readonly isKept: boolean; readonly sinceMs: number } | undefined;
  let place = 0;
  let ownMs = 0;
  /** Of the current stage: what was said to be done is not taken back. */
  let reached = 0;
  const seconds = (): number => (current ? (nowMs() - current.sinceMs) / 1000 : 0);
  return {
    begin(stage, isKept) {
      if (current) {
        before.all += current.stage.expectedS;
        if (!current.isKept) {
          before.own += current.stage.expectedS;
          ownMs += 1000 * seconds();
        }
      }
      current = { stage, isKept, sinceMs: nowMs() };
      place++;
      reached = 0;
    },
    seconds,
    read(share) {
      const expectedS = current?.stage.expectedS ?? 0;
      const slowness = (ownMs / 1000 + trustedS) / (before.own + trustedS);
      const found = share ?? seconds() / Math.max(expectedS * slowness, 1);
      reached = Math.max(reached, Math.min(found, mostOfStage));
      const doneS = before.all + reached * expectedS;
      return {
        ...{ place, total: stages.length, share: totalS > 0 ? doneS / totalS : 0 },
        remainingS: (totalS - doneS) * slowness,
      };
    },
  };
}
