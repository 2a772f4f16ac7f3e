import { constants, setPriority } from 'node:os';
import { IteraError } from '../../core/errors.ts';
import { type CandidateJob, makeCandidate } from './candidate.ts';
import type { CandidateEvidence } from './candidate-evidence.ts';

/** What the process says. */
export type CandidateAnswer =
  | { readonly stage: string }
  | { readonly step: number; readonly steps: number; readonly loss: number }
  | { readonly evidence: CandidateEvidence; readonly done: true }
  | { readonly error: { readonly code: string; readonly message: string; readonly data?: Record<string, unknown> } };

// The program of the process: makes one candidate, for whoever started it.
const say = (answer: CandidateAnswer): Promise<void> =>
  new Promise((resolve) => {
    if (process.send) process.send(answer, () => resolve());
    else resolve();
  });
// Without whoever asked, nobody would keep the result.
process.once('disconnect', () => process.exit(1));
// An interrupt from the terminal reaches both processes; the one that asked decides.
process.on('SIGINT', () => undefined);
process.once('message', (job: CandidateJob) => {
  // Whoever serves requests on this machine goes first.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  makeCandidate(job, {
    onStage: (stage) => void say({ stage }),
    onStep: (step, steps, loss) => void say({ step, steps, loss }),
  })
    .then((evidence) => say({ evidence, done: true }))
    .catch((error: unknown) => {
      const code = error instanceof IteraError ? error.code : 'RUNTIME_FAILED';
      const message = error instanceof Error ? error.message : String(error);
      return say({ error: { code, message, ...(error instanceof IteraError && { data: { ...error.data } }) } });
    })
    .finally(() => process.disconnect?.());
});
